"""Decides what to do with a failed delivery: retry, postpone or dead-letter it. `execute` carries the decision out."""

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from marketplace_runtime.consumer.decisions import DeadLetter, Decision, Postpone, Retry
from marketplace_runtime.consumer.delivery import Delivery
from marketplace_runtime.external_calls import NoPlaceInTime
from marketplace_runtime.scheduler import retry_policy
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

AT_ONCE = timedelta(0)
BUSY_LEAST, BUSY_CAP_S = timedelta(seconds=1), 15.0
"""Shortest delay, and cap in seconds, of deliveries postponed because rows were locked or the database was too slow.

After a long lock ends, they wait at most 15 s more.
"""


class FailurePolicy:
    """Decides about the failures of one subscription. `clock` returns the database's time."""

    def __init__(self, subscription: str, clock: Callable[[], datetime]) -> None:
        self._subscription, self._now = subscription, clock
        self._chance = random.Random()  # noqa: S311 - jitter

    def decide(self, delivery: Delivery, error: BaseException) -> Decision:
        """Apply the retry policy to `error`, and log the failure.

        Postpones a call that got no slot in time: it was not made, so this is no failure and is not logged.
        """
        if isinstance(error, NoPlaceInTime):
            return Postpone(AT_ONCE, str(error))
        now = self._now()
        policy = retry_policy.after(
            error,
            attempt=delivery.attempt,
            attempts=delivery.reaction.attempts,
            chance=self._chance,
            failing_for=_failing_for(delivery, now),
        )
        why = _why(error)
        unforeseen = isinstance(policy, retry_policy.Dead) and policy.reason == "attempts-exhausted"
        log.warning(
            "handling failed",
            subscription=self._subscription,
            event_id=str(delivery.envelope.id),
            type=delivery.envelope.type,
            attempt=delivery.attempt,
            decision=repr(policy),
            error=why,
            exc_info=error if unforeseen else None,
        )
        if isinstance(policy, retry_policy.Dead):
            return DeadLetter(policy.reason, why)
        return Retry(policy.delay, why) if policy.counts else Postpone(policy.delay, why)

    def postpone_busy(self, busy: Sequence[tuple[Delivery, BaseException]]) -> list[tuple[Delivery, Decision]]:
        """Postpone deliveries that met locked rows or a slow database. The delay grows with their waiting time."""
        now, decided = self._now(), list[tuple[Delivery, Decision]]()
        for delivery, error in busy:
            failing_for = _failing_for(delivery, now)
            delay = max(BUSY_LEAST, retry_policy.in_proportion(failing_for, self._chance, cap_s=BUSY_CAP_S))
            decided.append((delivery, Postpone(delay, _why(error))))
        first, error = busy[0]
        log.warning(
            "deliveries postponed: rows locked or database too slow",
            subscription=self._subscription,
            deliveries=len(busy),
            first_event_id=str(first.envelope.id),
            error=repr(error),
        )
        return decided


def _failing_for(delivery: Delivery, now: datetime) -> timedelta:
    """Return how long ago `delivery` failed first, or zero if this is its first failure."""
    return now - (delivery.failed_at or now)


def _why(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
