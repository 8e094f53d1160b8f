"""Decides the steps of a session before it begins, from the seed and the session number alone.

So two runs with the same seed send the same requests, however fast the marketplace answers.
"""

import random
from dataclasses import dataclass
from typing import Literal

from infra.lab.simulator.popularity import Popularity
from infra.lab.simulator.traffic import Profile

CATEGORIES = ("kitchen", "garden", "office", "travel")
Kind = Literal["browse", "abandon", "buy", "sell"]


@dataclass(frozen=True)
class Step:
    """A step of a session. `after_s` is the person's think time before it, in seconds."""

    after_s: float


@dataclass(frozen=True)
class Browse(Step):
    """Lists products, following the cursor for `pages` pages."""

    category: str | None
    search: str | None
    pages: int


@dataclass(frozen=True)
class ViewProduct(Step):
    """Opens a product page. Products are identified by their place on the simulator's shelf."""

    place: int


@dataclass(frozen=True)
class Put(Step):
    """Puts `quantity` units into the cart, in addition to units that an unconfirmed order still holds there."""

    place: int
    quantity: int


@dataclass(frozen=True)
class Remove(Step):
    """Removes a product from the cart."""

    place: int


@dataclass(frozen=True)
class ViewCart(Step):
    pass


@dataclass(frozen=True)
class CheckOut(Step):
    pass


@dataclass(frozen=True)
class ViewOrder(Step):
    pass


@dataclass(frozen=True)
class Cancel(Step):
    """Cancels the order just placed, at once or, with `once_confirmed`, as soon as it is confirmed."""

    once_confirmed: bool


@dataclass(frozen=True)
class ChangePrice(Step):
    place: int
    factor: float


@dataclass(frozen=True)
class Restock(Step):
    place: int
    quantity: int


@dataclass(frozen=True)
class Replace(Step):
    """Discontinues a product and lists another in its place."""

    place: int


@dataclass(frozen=True)
class Script:
    kind: Kind
    steps: tuple[Step, ...]


_KIND_WEIGHTS: dict[Profile, dict[Kind, float]] = {
    "mixed": {"browse": 0.35, "abandon": 0.14, "buy": 0.48, "sell": 0.03},
    "buyers": {"browse": 0.12, "abandon": 0.06, "buy": 0.80, "sell": 0.02},
}


def script_of(seed: int, number: int, profile: Profile, popularity: Popularity) -> Script:
    """Return the script of the session with this number."""
    rng = random.Random(f"{seed}:session:{number}")  # noqa: S311 - repeatable on purpose
    weights = _KIND_WEIGHTS[profile]
    [kind] = rng.choices(list(weights), list(weights.values()))
    if kind == "sell":
        return Script(kind, _selling(rng, popularity))
    steps = _browsing(rng, popularity)
    if kind != "browse":
        steps += _filling(rng, popularity)
    if kind == "buy":
        steps += [ViewCart(_think(rng)), CheckOut(_think(rng)), *_afterwards(rng)]
    return Script(kind, tuple(steps))


def _think(rng: random.Random, mean_s: float = 0.15) -> float:
    return min(rng.expovariate(1 / mean_s), 1.0)


def _browsing(rng: random.Random, popularity: Popularity) -> list[Step]:
    category = rng.choice([None, *CATEGORIES])
    search = rng.choice([None, None, "lamp", "chair"])
    steps: list[Step] = [Browse(0.0, category, search, rng.choice([1, 1, 1, 2]))]
    steps += [ViewProduct(_think(rng), popularity.draw(rng)) for _ in range(rng.randint(1, 3))]
    return steps


def _filling(rng: random.Random, popularity: Popularity) -> list[Step]:
    places = popularity.draw_distinct(rng, rng.choice([1, 1, 1, 2, 2, 3]))
    steps: list[Step] = [ViewCart(_think(rng))]
    steps += [Put(_think(rng), place, rng.choice([1, 1, 1, 2, 3])) for place in places]
    if len(places) > 1 and rng.random() < 0.15:
        steps.append(Remove(_think(rng), places[-1]))
    return steps


def _afterwards(rng: random.Random) -> list[Step]:
    view = ViewOrder(_think(rng, 0.5))
    draw = rng.random()
    if draw < 0.03:  # cancelled at once, mostly before it is confirmed
        return [Cancel(0.0, once_confirmed=False), view]
    if draw < 0.06:
        return [view, Cancel(_think(rng, 0.3), once_confirmed=False)]
    if draw < 0.09:  # cancelled once confirmed, mostly before it is dispatched
        return [Cancel(0.1, once_confirmed=True), view]
    if draw < 0.11:  # cancelled so late that it may be refused
        return [view, Cancel(rng.uniform(1.0, 3.0), once_confirmed=False)]
    return [view]


def _selling(rng: random.Random, popularity: Popularity) -> tuple[Step, ...]:
    place = popularity.draw(rng)
    what = rng.random()
    if what < 0.45:
        return (ChangePrice(0.0, place, rng.uniform(0.8, 1.25)),)
    if what < 0.9:
        return (Restock(0.0, place, rng.randint(5, 50)),)
    return (Replace(0.0, place),)
