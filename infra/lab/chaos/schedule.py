"""Builds schedules of faults. A random schedule is a pure function of its arguments, among them a seed."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from infra.lab.chaos.fault import Fault, Touches
from infra.lab.chaos.kinds import KINDS

PER_SECOND = 0.22
"""Faults per second in a random schedule, by default: 26 in two minutes."""
FIRST_AT_S = 2.0
TRIES = 400
ALONE_FROM_S, ALONE_FOR_S = 8.0, 3.0
LONG_S = 90.0
"""A random schedule of at least so many seconds always kills or stops the broker, early enough to show the effects."""


@dataclass(frozen=True)
class Planned:
    """A fault with its start and end, in seconds from the start of the schedule."""

    fault: Fault
    start_s: float
    end_s: float

    def overlaps(self, other: "Planned") -> bool:
        """Return whether both are in effect at the same moment."""
        return self.start_s <= other.end_s and other.start_s <= self.end_s


def random_schedule(
    seed: int,
    duration_s: float,
    services: Sequence[str],
    faults: int | None = None,
    *,
    given: Collection[str] = (),
) -> list[Planned]:
    """Return random faults. They may overlap, unless one would hide the effect of another. All end within `duration_s`.

    Kinds are drawn in turn from a shuffled deck, so that many occur. Kinds that this machine cannot run are left out.
    There are fewer faults than requested only if no more fit. A schedule of `LONG_S` or more always kills or stops the
    broker. Servers that were `given` to the stack are not broken.
    """
    chance = random.Random(f"{seed}:faults")  # noqa: S311 - repeatable on purpose
    wanted = max(1, round(duration_s * PER_SECOND)) if faults is None else faults
    planned = [_broker_ends(chance, duration_s)] if duration_s >= LONG_S and "broker" not in given else []
    deck: list[str] = []
    for _ in range(wanted * TRIES):
        if len(planned) == wanted:
            break
        if not deck:
            fitting = [name for name, kind in KINDS.items() if kind.least_run_s <= duration_s and kind.likely(services)]
            deck = chance.sample(fitting, k=len(fitting))
        candidate = _draw(chance, deck[-1], duration_s, services, len(planned))
        if _server(candidate) not in given and not any(_in_the_way(candidate, each) for each in planned):
            planned.append(candidate)
            deck.pop()
        elif chance.random() < 0.05:  # this kind does not seem to fit now
            deck.pop()
    return sorted(planned, key=lambda each: each.start_s)


def one_by_one(services: Sequence[str], times: int, every_s: float, *, given: Collection[str] = ()) -> list[Planned]:
    """Return faults that do not overlap, to measure the time to recover from each kind.

    A fault begins every `every_s` seconds. Each kind occurs `times` times, at one part after the other. Servers that
    were `given` to the stack are not broken.
    """
    databases = [f"{service}-db" for service in services if f"{service}-db" not in given]
    broker = ["broker"] if "broker" not in given else []
    turns = [
        (kind, parts[turn % len(parts)])
        for turn in range(times)
        for kind, parts in (
            ("kill", services),
            ("kill", databases),
            ("stop", databases),
            ("kill", broker),
            ("stop", broker),
        )
        if parts
    ]
    starts = (ALONE_FROM_S + number * every_s for number in range(len(turns)))
    return [
        Planned(Fault(kind, part, id=f"alone{number:02d}"), start, start + ALONE_FOR_S)
        for number, ((kind, part), start) in enumerate(zip(turns, starts, strict=True))
    ]


def _draw(chance: random.Random, name: str, duration_s: float, services: Sequence[str], number: int) -> Planned:
    kind = KINDS[name]
    part = chance.choice(kind.likely(services))
    length = 0.0 if kind.momentary else min(chance.uniform(*kind.seconds), duration_s / 3)
    start = chance.uniform(min(FIRST_AT_S, duration_s / 10), duration_s - length)
    fault = Fault(name, part, id=f"{chance.randrange(16**4):04x}{number:02x}")
    return Planned(fault, round(start, 2), round(start + length, 2))


def _broker_ends(chance: random.Random, duration_s: float) -> Planned:
    """Kill or stop the broker, neither before the first orders nor when traffic has nearly ended."""
    name = chance.choice(("kill", "stop"))
    start = chance.uniform(duration_s * 0.15, duration_s * 0.7)
    fault = Fault(name, "broker", id=f"{chance.randrange(16**4):04x}00")
    return Planned(fault, round(start, 2), round(start + chance.uniform(*KINDS[name].seconds), 2))


def _in_the_way(one: Planned, other: Planned) -> bool:
    mine, its = _touches(one), _touches(other)
    return mine.exclude(its) and (
        one.start_s < other.end_s + its.settle_s and other.start_s < one.end_s + mine.settle_s
    )


def _server(planned: Planned) -> str:
    return KINDS[planned.fault.kind].server(planned.fault.part)


def _touches(planned: Planned) -> Touches:
    return KINDS[planned.fault.kind].touches(planned.fault.part)
