"""Decisions: what is to be done about a delivery once its stages have run, or one of them failed.

They are values. `execute` is the one place that acts on them.
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
    """When its claim was taken, by the event loop's clock."""


@dataclass(frozen=True, slots=True)
class AwaitCall:
    """Handle the delivery when the call that this process makes for the same event has ended."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Run the delivery again after `delay`. Its last run was an attempt."""

    delay: timedelta
    why: str


@dataclass(frozen=True, slots=True)
class Postpone:
    """Run the delivery again after `delay`. Its last run was no attempt."""

    delay: timedelta
    why: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Give the delivery up. `reason` is a short stable word, `why` is for people."""

    reason: str
    why: str


Decision = MakeCall | AwaitCall | Retry | Postpone | DeadLetter


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one transaction: deliveries to acknowledge, and those about which something else was decided."""

    done: Sequence[Delivery] = ()
    decided: Sequence[tuple[Delivery, Decision]] = ()
