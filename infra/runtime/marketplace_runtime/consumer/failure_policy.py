"""Decides what to do with a failed delivery: retry, postpone or dead-letter it. `execute` carries the decision out."""

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from marketplace_runtime.consumer.decisions import DeadLetter, Decision, Postpone, Retry
from marketplace_runtime.consumer.delivery import Delivery
from marketplace_runtime.external_calls import SlotTimeout
from marketplace_runtime.scheduler import retry_policy
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

NO_DELAY = timedelta(0)
MIN_BUSY_DELAY, MAX_BUSY_DELAY_S = timedelta(seconds=1), 15.0
"""Shortest delay, and cap in seconds, of deliveries postponed because rows were locked or the database was too slow.

After a long lock ends, they wait at most 15 s more.
"""


class FailurePolicy:
    """Decides about the failures of one subscription. `clock` returns the database's time."""

    def __init__(self, subscription: str, clock: Callable[[], datetime]) -> None:
        self._subscription, self._now = subscription, clock
        self._rng = random.Random()  # noqa: S311 - jitter

    def decide(self, delivery: Delivery, error: BaseException) -> Decision:
        """Apply the retry policy to `error`, and log the failure.

        Postpones a call that got no slot in time: it was not made, so this is no failure and is not logged.
        """
        if isinstance(error, SlotTimeout):
            return Postpone(NO_DELAY, str(error))
        now = self._now()
        decision = retry_policy.decide(
            error,
            attempt=delivery.attempt,
            attempts=delivery.reaction.attempts,
            rng=self._rng,
            failing_for=_failing_for(delivery, now),
        )
        why = _describe(error)
        attempts_exhausted = isinstance(decision, retry_policy.GiveUp) and decision.reason == "attempts-exhausted"
        log.warning(
            "handling failed",
            subscription=self._subscription,
            event_id=str(delivery.envelope.id),
            type=delivery.envelope.type,
            attempt=delivery.attempt,
            decision=repr(decision),
            error=why,
            exc_info=error if attempts_exhausted else None,
        )
        if isinstance(decision, retry_policy.GiveUp):
            return DeadLetter(decision.reason, why)
        return Retry(decision.delay, why) if decision.counts_as_attempt else Postpone(decision.delay, why)

    def postpone_busy(self, busy: Sequence[tuple[Delivery, BaseException]]) -> list[tuple[Delivery, Decision]]:
        """Postpone deliveries that met locked rows or a slow database. The delay grows with their waiting time."""
        now, decisions = self._now(), list[tuple[Delivery, Decision]]()
        for delivery, error in busy:
            failing_for = _failing_for(delivery, now)
            delay = max(MIN_BUSY_DELAY, retry_policy.proportional_delay(failing_for, self._rng, cap_s=MAX_BUSY_DELAY_S))
            decisions.append((delivery, Postpone(delay, _describe(error))))
        first, error = busy[0]
        log.warning(
            "deliveries postponed: rows locked or database too slow",
            subscription=self._subscription,
            deliveries=len(busy),
            first_event_id=str(first.envelope.id),
            error=repr(error),
        )
        return decisions


def _failing_for(delivery: Delivery, now: datetime) -> timedelta:
    """Return how long ago `delivery` failed first, or zero if this is its first failure."""
    return now - (delivery.failed_at or now)


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
