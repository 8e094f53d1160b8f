"""Defines where the marketplace is, and how much traffic to send there."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from infra.stack import StackState

Profile = Literal["mixed", "buyers"]


@dataclass(frozen=True)
class Endpoints:
    """Base URLs without a trailing slash."""

    gateway: str
    """All of the services' APIs."""
    issuer: str
    """Base URL for OIDC discovery, such as http://127.0.0.1:9000/identity."""
    ops: dict[str, str]
    """Base URL of the operations port of one replica, by service name."""

    @classmethod
    def of(cls, state: StackState) -> Self:
        """Return the endpoints of a stack on this machine."""
        return cls(
            gateway=state.gateway["http"],
            issuer=state.issuer,
            ops={name: next(iter(each.ops.values())) for name, each in state.services.items()},
        )


@dataclass(frozen=True)
class Traffic:
    """`rate` shoppers per second arrive for `duration_s` seconds. The run then waits up to `drain_s` for orders."""

    rate: float
    duration_s: float
    seed: int
    profile: Profile = "mixed"
    drain_s: float = 60.0
    record: Path | None = None
    """File to which every checkout, stock change and cart change is written before it is requested, a JSON object per
    line."""

    def __post_init__(self) -> None:
        if not (0 < self.rate <= 10_000 and math.isfinite(self.duration_s) and self.duration_s > 0):
            raise ValueError("the rate must be above 0 and at most 10,000 per second, the duration above 0")

    @property
    def customers(self) -> int:
        """Number of customers who take turns. There are enough that one seldom has two sessions at a time."""
        return min(max(round(self.rate * 10), 20), 500)


def arrivals(rate: float, duration_s: float, seed: int) -> Iterator[float]:
    """Yield the arrival times of shoppers, in seconds from the start: a Poisson process, the same for the same seed."""
    rng = random.Random(f"{seed}:arrivals")  # noqa: S311 - repeatable on purpose
    at = rng.expovariate(rate)
    while at < duration_s:
        yield at
        at += rng.expovariate(rate)
