"""How long it took after a fault: said only where that fault alone can be blamed."""

from collections.abc import Collection, Mapping, Sequence
from statistics import median
from typing import Any

from infra.chaos.conduct import Outcome

LEVEL_OVER_S = 10
"""What was usual before a fault is seen in the seconds before it."""
USUAL = 10
"""So many events on their way are nothing out of the ordinary."""


def recovered(outcome: Outcome, others: Sequence[Outcome], completed: Collection[float]) -> float | None:
    """Seconds from a fault's end to the next completed order (Unix times); None where another fault overlapped."""
    after = min((at for at in completed if at > outcome.ended), default=None)
    return _since_its_end(outcome, others, after)


def drained(outcome: Outcome, others: Sequence[Outcome], backlog: Mapping[int, float]) -> float | None:
    """Seconds from a fault's end until no more events wait in queues and outboxes than before it (by Unix second).

    Seconds in which somebody did not say how much waits prove nothing. None where another fault overlapped.
    """
    began = int(outcome.began)
    usual = [backlog[second] for second in range(began - LEVEL_OVER_S, began) if second in backlog]
    level = max(usual, default=0)
    after = min((at for at in backlog if at >= outcome.ended and backlog[at] <= max(level, USUAL)), default=None)
    return _since_its_end(outcome, others, after)


def _since_its_end(outcome: Outcome, others: Sequence[Outcome], after: float | None) -> float | None:
    if after is None or any(each is not outcome and each.overlaps(outcome.began, after) for each in others):
        return None
    return round(after - outcome.ended, 3)


def medians(faults: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Times to recover (of faults as in a run's JSON) by kind and sort of part: the median, and the worst."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for fault in faults:
        if fault["recovered_s"] is not None or fault["drained_s"] is not None:
            groups.setdefault((fault["kind"], _sort(fault["part"])), []).append(fault)
    return [
        {"kind": kind, "of": of, "times": len(group)} | _summary(group, "recovered_s") | _summary(group, "drained_s")
        for (kind, of), group in sorted(groups.items())
    ]


def _sort(part: str) -> str:
    if part in ("broker", "outside", "traffic"):
        return f"the {part}"
    if part.endswith("-db"):
        return "a database"
    service, _, peer = part.partition(":")
    return f"a link to the {peer}" if peer else "a service" if "-" not in service else service


def _summary(faults: Sequence[Mapping[str, Any]], name: str) -> dict[str, float | None]:
    known = [fault[name] for fault in faults if fault[name] is not None]
    return {name: round(median(known), 2) if known else None, f"worst_{name}": max(known, default=None)}
