"""Decides about a failed message: retry it, and when, or dead-letter it. Pure functions; others carry it out."""

import random
from dataclasses import dataclass
from datetime import timedelta

from marketplace_runtime.amqp import InvalidMessage, UnknownVersion
from marketplace_runtime.resilience import CallPostponed, Refused

BASE_DELAY_S, MAX_DELAY_S = 0.25, 15.0
MIN_PROPORTIONAL_DELAY_S, MAX_PROPORTIONAL_DELAY_S = 0.5, 3600.0


class Reject(Exception):
    """Raised by a handler if the event can never be handled. It is dead-lettered at once."""


class RetryLater(Exception):
    """Raised by a handler to run the event again after `delay`. This is not an attempt, so it can repeat without limit.

    With `give_up_after`, the event is dead-lettered when it has waited for that long.
    """

    def __init__(self, delay: timedelta, *, give_up_after: timedelta | None = None) -> None:
        super().__init__(f"again in {delay.total_seconds():g} s")
        self.delay, self.give_up_after = delay, give_up_after


@dataclass(frozen=True, slots=True)
class RunAgain:
    """Run the message again after `delay`."""

    delay: timedelta
    counts_as_attempt: bool = True
    """Whether the last run counts as an attempt. It does not if the message only had to wait."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Dead-letter the message. `reason` is a short stable word."""

    reason: str


def decide(
    error: BaseException,
    *,
    attempt: int,
    attempts: int | None,
    rng: random.Random,
    failing_for: timedelta = timedelta(0),
) -> RunAgain | GiveUp:
    """Decide what follows after run number `attempt` (from 1) of at most `attempts` ended with `error`.

    The pause doubles from 0.25 s to 15 s, with full jitter. A message without a limit of `attempts` is retried until
    it succeeds. Its pauses grow with the time that it has been `failing_for`, up to an hour.
    """
    reason = _give_up_reason(error, attempt, attempts, failing_for)
    if reason is not None:
        return GiveUp(reason)
    match error:
        case RetryLater():
            return RunAgain(error.delay, counts_as_attempt=False)
        case CallPostponed() | Refused():
            min_delay = timedelta(seconds=error.retry_after_s)
            return RunAgain(max(min_delay, proportional_delay(failing_for, rng)), counts_as_attempt=False)
        case _ if attempts is None:
            return RunAgain(proportional_delay(failing_for, rng))
        case _:
            ceiling = min(MAX_DELAY_S, BASE_DELAY_S * 2 ** min(attempt - 1, 30))
            return RunAgain(timedelta(seconds=rng.uniform(0, ceiling)))


def _give_up_reason(error: BaseException, attempt: int, attempts: int | None, failing_for: timedelta) -> str | None:
    no_attempt_left = attempts is not None and attempt >= attempts
    match error:
        case UnknownVersion() if attempts is not None and not no_attempt_left:
            return None
        case InvalidMessage():
            return error.reason
        case Reject():
            return "rejected"
        case RetryLater():
            waited = error.give_up_after is not None and failing_for >= error.give_up_after
            return "waited-too-long" if waited else None
        case CallPostponed() | Refused():
            return None
        case _:
            return "attempts-exhausted" if no_attempt_left else None


def proportional_delay(elapsed: timedelta, rng: random.Random, *, cap_s: float = MAX_PROPORTIONAL_DELAY_S) -> timedelta:
    """Return a pause of a third to a half of the time `elapsed`, but at least 0.33 to 0.5 s, and at most `cap_s`.

    So the end of an outage is noticed within half of its length, up to `cap_s`. The number of retries grows only with
    the logarithm of its length.
    """
    highest = min(cap_s, max(MIN_PROPORTIONAL_DELAY_S, elapsed.total_seconds() / 2))
    return timedelta(seconds=rng.uniform(highest * 2 / 3, highest))
