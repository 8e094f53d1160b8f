"""What to do after a failure: a pure decision that something else carries out."""

import random
from dataclasses import dataclass
from datetime import timedelta

from infra.messaging.errors import Invalid, Reject, RetryLater, UnknownVersion

BASE_S, CAP_S = 0.25, 15.0


@dataclass(frozen=True, slots=True)
class Again:
    """Hear it once more after `delay`."""

    delay: timedelta


@dataclass(frozen=True, slots=True)
class Dead:
    """Give it up. `reason` is a short stable word."""

    reason: str


def after(error: BaseException, *, attempt: int, attempts: int, chance: random.Random) -> Again | Dead:
    """Decide what follows when run number `attempt` (from 1) of at most `attempts` ended with `error`.

    The pause doubles from 0.25 s to 15 s, with full jitter: anything from zero to that.
    """
    match error:
        case Invalid() if not (isinstance(error, UnknownVersion) and attempt < attempts):
            return Dead(error.reason)
        case Reject():
            return Dead("rejected")
        case _ if attempt >= attempts:
            return Dead("attempts-exhausted")
        case RetryLater():
            return Again(error.delay)
        case _:
            ceiling = min(CAP_S, BASE_S * 2 ** min(attempt - 1, 30))
            return Again(timedelta(seconds=chance.uniform(0, ceiling)))
