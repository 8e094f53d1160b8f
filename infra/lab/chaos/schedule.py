"""Builds schedules of faults. A random schedule is a pure function of its arguments, among them a seed."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from infra.lab.chaos.fault import Fault, ResourceNeeds
from infra.lab.chaos.kinds import KINDS

FAULTS_PER_SECOND = 0.22
"""Faults per second in a random schedule, by default: 26 in two minutes."""
EARLIEST_START_S = 2.0
MAX_DRAWS_PER_FAULT = 400
SEQUENCE_START_S, SEQUENCE_FAULT_S = 8.0, 3.0
LONG_RUN_S = 90.0
"""A random schedule of at least so many seconds always kills or stops the broker, early enough to show the effects."""


@dataclass(frozen=True)
class PlannedFault:
    """A fault with its start and end, in seconds from the start of the schedule."""

    fault: Fault
    start_s: float
    end_s: float

    def overlaps(self, other: "PlannedFault") -> bool:
        """Return whether both are in effect at the same moment."""
        return self.start_s <= other.end_s and other.start_s <= self.end_s


def random_schedule(
    seed: int,
    duration_s: float,
    services: Sequence[str],
    faults: int | None = None,
    *,
    external: Collection[str] = (),
) -> list[PlannedFault]:
    """Return random faults. They may overlap, unless one would hide the effect of another. All end within `duration_s`.

    Kinds are drawn in turn from a shuffled deck, so that many occur. Kinds that this machine cannot run are left out.
    There are fewer faults than requested only if no more fit. A schedule of `LONG_RUN_S` or more kills or stops the
    broker. No fault is injected into servers in `external`: the stack does not run these.
    """
    rng = random.Random(f"{seed}:faults")  # noqa: S311 - repeatable on purpose
    wanted = max(1, round(duration_s * FAULTS_PER_SECOND)) if faults is None else faults
    planned = [_draw_broker_outage(rng, duration_s)] if duration_s >= LONG_RUN_S and "broker" not in external else []
    deck: list[str] = []
    for _ in range(wanted * MAX_DRAWS_PER_FAULT):
        if len(planned) == wanted:
            break
        if not deck:
            fitting = [
                name for name, kind in KINDS.items() if kind.min_run_s <= duration_s and kind.random_parts(services)
            ]
            deck = rng.sample(fitting, k=len(fitting))
        candidate = _draw(rng, deck[-1], duration_s, services, len(planned))
        if _server(candidate) not in external and not any(_conflict(candidate, each) for each in planned):
            planned.append(candidate)
            deck.pop()
        elif rng.random() < 0.05:  # this kind does not seem to fit now
            deck.pop()
    return sorted(planned, key=lambda each: each.start_s)


def sequential_schedule(
    services: Sequence[str], times: int, every_s: float, *, external: Collection[str] = ()
) -> list[PlannedFault]:
    """Return faults that do not overlap, to measure the time to recover from each kind.

    A fault begins every `every_s` seconds. Each kind occurs `times` times, at one part after the other. No fault is
    injected into servers in `external`: the stack does not run these.
    """
    databases = [f"{service}-db" for service in services if f"{service}-db" not in external]
    broker = ["broker"] if "broker" not in external else []
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
    starts = (SEQUENCE_START_S + number * every_s for number in range(len(turns)))
    return [
        PlannedFault(Fault(kind, part, id=f"alone{number:02d}"), start, start + SEQUENCE_FAULT_S)
        for number, ((kind, part), start) in enumerate(zip(turns, starts, strict=True))
    ]


def _draw(rng: random.Random, name: str, duration_s: float, services: Sequence[str], number: int) -> PlannedFault:
    kind = KINDS[name]
    part = rng.choice(kind.random_parts(services))
    length = 0.0 if kind.is_momentary else min(rng.uniform(*kind.duration_range_s), duration_s / 3)
    start = rng.uniform(min(EARLIEST_START_S, duration_s / 10), duration_s - length)
    fault = Fault(name, part, id=f"{rng.randrange(16**4):04x}{number:02x}")
    return PlannedFault(fault, round(start, 2), round(start + length, 2))


def _draw_broker_outage(rng: random.Random, duration_s: float) -> PlannedFault:
    """Kill or stop the broker, neither before the first orders nor when traffic has nearly ended."""
    name = rng.choice(("kill", "stop"))
    start = rng.uniform(duration_s * 0.15, duration_s * 0.7)
    fault = Fault(name, "broker", id=f"{rng.randrange(16**4):04x}00")
    return PlannedFault(fault, round(start, 2), round(start + rng.uniform(*KINDS[name].duration_range_s), 2))


def _conflict(one: PlannedFault, other: PlannedFault) -> bool:
    mine, its = _needed_resources(one), _needed_resources(other)
    return mine.conflicts_with(its) and (
        one.start_s < other.end_s + its.settle_s and other.start_s < one.end_s + mine.settle_s
    )


def _server(planned: PlannedFault) -> str:
    """Return the server that the stack must run itself for this fault, or ""."""
    return KINDS[planned.fault.kind].server(planned.fault.part)


def _needed_resources(planned: PlannedFault) -> ResourceNeeds:
    return KINDS[planned.fault.kind].needed_resources(planned.fault.part)
