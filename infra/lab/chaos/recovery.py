"""Computes recovery times after faults, only where no other fault overlapped."""

from collections.abc import Collection, Mapping, Sequence
from math import inf
from statistics import median
from typing import Any

from infra.lab.chaos.experiment_runner import Outcome

BASELINE_S = 10
"""Length of the period before a fault, in seconds. The highest backlog in it counts as usual."""
USUAL_BACKLOG = 10
"""A backlog of up to so many events always counts as usual."""
TARGETS_S = {"a service": 5.0, "a database": 10.0, "the broker": 10.0}
"""Targets by type of part: the median time from a fault's end to recovery, in seconds, if no other fault overlapped."""
NEARLY_COMPLETE_S = 1.0
"""An order completed so soon after a fault began proves nothing: it was nearly complete before the fault."""


def time_to_recover(outcome: Outcome, others: Sequence[Outcome], completed: Collection[float]) -> float | None:
    """Return the seconds from a fault's end to the next completed order. `completed` has Unix times.

    Returns None if no order followed, or if another fault overlapped.
    """
    recovered_at = min((at for at in completed if at > outcome.ended), default=None)
    return _seconds_since_end(outcome, others, recovered_at)


def time_to_drain(outcome: Outcome, others: Sequence[Outcome], backlog: Mapping[int, float]) -> float | None:
    """Return the seconds from a fault's end until the backlog in queues and outboxes is as low as before the fault.

    `backlog` has the number of events by Unix second. Seconds in which a part did not report are missing, and prove
    nothing. Returns None if the backlog stayed higher, or if another fault overlapped.
    """
    began = int(outcome.began)
    usual = [backlog[second] for second in range(began - BASELINE_S, began) if second in backlog]
    level = max(usual, default=0)
    drained_at = min(
        (at for at in backlog if at >= outcome.ended and backlog[at] <= max(level, USUAL_BACKLOG)), default=None
    )
    return _seconds_since_end(outcome, others, drained_at)


def _seconds_since_end(outcome: Outcome, others: Sequence[Outcome], recovered_at: float | None) -> float | None:
    if recovered_at is None or any(
        each is not outcome and each.overlaps(outcome.began, recovered_at) for each in others
    ):
        return None
    return round(recovered_at - outcome.ended, 3)


def recovery_medians(faults: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the median and the worst recovery time by kind and type of part.

    `faults` are those of a run's JSON report. Faults without a recovery time are left out.
    """
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for fault in faults:
        if fault["recovered_s"] is not None or fault["drained_s"] is not None:
            groups.setdefault((fault["kind"], _part_type(fault["part"])), []).append(fault)
    return [
        {"kind": kind, "of": part_type, "times": len(group)}
        | _summary(group, "recovered_s")
        | _summary(group, "drained_s")
        for (kind, part_type), group in sorted(groups.items())
    ]


def compare_with_targets(
    outcomes: Sequence[Outcome], completed: Collection[float], backlog: Mapping[int, float], run_end: float
) -> list[dict[str, Any]]:
    """Compare the median recovery time with its target, by kind and type of part, where there is a target.

    A fault may not have recovered before the next one began, or before the run's end (`run_end`, a Unix time). Its time
    until then is a lower bound, and it counts as missing the target.
    """
    groups: dict[tuple[str, str], list[tuple[float, bool]]] = {}
    for each in outcomes:
        if (part_type := _part_type(each.fault.part)) in TARGETS_S:
            seconds = _seconds_to_recovery(each, outcomes, completed, backlog)
            known = seconds is not None
            waited = _seconds_to_next_fault(each, outcomes, run_end) if seconds is None else seconds
            groups.setdefault((each.fault.kind, part_type), []).append((waited, known))
    found = []
    for (kind, part_type), waits in sorted(groups.items()):
        median_or_inf = median(seconds if known else inf for seconds, known in waits)
        found.append(
            {
                "kind": kind,
                "of": part_type,
                "times": len(waits),
                "median_s": round(median(seconds for seconds, _ in waits), 2),
                "at_least": median_or_inf == inf,
                "target_s": TARGETS_S[part_type],
                "kept": median_or_inf <= TARGETS_S[part_type],
            }
        )
    return found


def describe_target(target: Mapping[str, Any]) -> str:
    """Describe one result of `compare_with_targets` in a sentence."""
    at_least = "at least " if target["at_least"] else ""
    return (
        f"{target['kind']} of {target['of']}: recovered after {at_least}{target['median_s']:.1f} s "
        f"(median of {target['times']}), the target is {target['target_s']:g} s"
    )


def _seconds_to_recovery(
    outcome: Outcome, others: Sequence[Outcome], completed: Collection[float], backlog: Mapping[int, float]
) -> float | None:
    """Return the seconds from a fault's end to the next completed order.

    If orders were completed during the fault, they did not need the part, and the next one proves nothing. Then it
    returns the seconds until the backlog is drained.
    """
    orders_continued = any(outcome.began + NEARLY_COMPLETE_S < at <= outcome.ended for at in completed)
    return time_to_drain(outcome, others, backlog) if orders_continued else time_to_recover(outcome, others, completed)


def _seconds_to_next_fault(outcome: Outcome, others: Sequence[Outcome], run_end: float) -> float:
    following = min((each.began for each in others if each.began > outcome.began), default=run_end)
    return max(following - outcome.ended, 0.0)


def _part_type(part: str) -> str:
    if part in ("broker", "gateway", "outside", "traffic"):
        return f"the {part}"
    if part.endswith("-db"):
        return "a database"
    service, _, peer = part.partition(":")
    if service == "gateway":
        return "a link of the gateway"
    return f"a link to the {peer}" if peer else "a service" if "-" not in service else service


def _summary(faults: Sequence[Mapping[str, Any]], name: str) -> dict[str, float | None]:
    known = [fault[name] for fault in faults if fault[name] is not None]
    return {name: round(median(known), 2) if known else None, f"worst_{name}": max(known, default=None)}
