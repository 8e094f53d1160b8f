"""Defines decisions: what to do with a delivery after its stages have run, or after one of them failed.

Decisions are plain values. Only the module `execute` acts on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from marketplace_runtime.consumer.delivery import Delivery


@dataclass(frozen=True, slots=True)
class MakeCall:
    """Make the external call that was prepared."""

    request: Any
    claimed_at_s: float
    """When the claim was taken, in seconds of the event loop's clock."""


@dataclass(frozen=True, slots=True)
class AwaitCall:
    """Handle the delivery again after this process's call for the same event has ended."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Run the delivery again after `delay`. Its last run counts as an attempt."""

    delay: timedelta
    why: str


@dataclass(frozen=True, slots=True)
class Postpone:
    """Run the delivery again after `delay`. Its last run does not count as an attempt."""

    delay: timedelta
    why: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Dead-letter the delivery. `reason` is a short stable word; `why` is an explanation for people."""

    reason: str
    why: str


Decision = MakeCall | AwaitCall | Retry | Postpone | DeadLetter


@dataclass(frozen=True, slots=True)
class Outcome:
    """Holds the result of one transaction: deliveries to acknowledge, and those with another decision."""

    done: Sequence[Delivery] = ()
    decisions: Sequence[tuple[Delivery, Decision]] = ()
