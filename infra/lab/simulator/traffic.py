"""Where the marketplace is, and how much is to be shopped there."""

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

    catalog: str
    cart: str
    checkout: str
    delivery: str
    notifications: str
    issuer: str
    """Where OIDC discovery starts, such as http://127.0.0.1:9000/identity."""
    ops: dict[str, str]
    """Service name to the operations port of one of its replicas."""

    @classmethod
    def of(cls, state: StackState) -> Self:
        """Those of a stack on this machine."""
        services = state.services
        return cls(
            catalog=services["catalog"].http,
            cart=services["cart"].http,
            checkout=services["checkout"].http,
            delivery=services["delivery"].http,
            notifications=services["notifications"].http,
            issuer=state.issuer,
            ops={name: next(iter(each.ops.values())) for name, each in services.items()},
        )


@dataclass(frozen=True)
class Traffic:
    """`rate` shoppers a second arrive for `duration_s`; then up to `drain_s` are spent waiting for their orders."""

    rate: float
    duration_s: float
    seed: int
    profile: Profile = "mixed"
    drain_s: float = 60.0
    record: Path | None = None
    """Every checkout and every unit of stock is noted in this file, a JSON object per line, before it is asked for."""

    def __post_init__(self) -> None:
        if not (0 < self.rate <= 10_000 and math.isfinite(self.duration_s) and self.duration_s > 0):
            raise ValueError("the rate must be above 0 and at most 10,000 per second, the duration above 0")

    @property
    def customers(self) -> int:
        """How many customers take turns: enough that one seldom has two sessions at a time."""
        return min(max(round(self.rate * 10), 20), 500)


def arrivals(rate: float, duration_s: float, seed: int) -> Iterator[float]:
    """Seconds from the start at which shoppers arrive: a Poisson process, the same for the same seed."""
    chance = random.Random(f"{seed}:arrivals")  # noqa: S311 - repeatable on purpose
    at = chance.expovariate(rate)
    while at < duration_s:
        yield at
        at += chance.expovariate(rate)
