"""Carries out a schedule of faults during traffic."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from infra.lab.chaos.effect import in_effect, observe_effect, wait_in_effect
from infra.lab.chaos.fault import Fault
from infra.lab.chaos.kinds import FAMILY, KINDS
from infra.lab.chaos.polling import poll_until_truthy
from infra.lab.chaos.schedule import PlannedFault
from infra.lab.chaos.site import Site

MIN_FAULT_S = 2.0
"""Minimum duration of a fault, even if it began late. It lasts longer until an effect is observed, or polling ends."""


@dataclass
class Outcome:
    """The outcome of a fault: when it was in effect, the evidence of its effect, and its failure."""

    fault: Fault
    began: float
    """Unix time at which the fault was in effect. If it never was, the time of the attempt to begin it."""
    ended: float = 0.0
    """Unix time at which undoing it started."""
    undone: float = 0.0
    """Unix time at which it was undone: for example, the broker was up again."""
    effect: str = ""
    failure: str = ""
    """The error of beginning or undoing it, or of what ran in the background meanwhile. Empty if there was none."""

    def overlaps(self, since: float, until: float) -> bool:
        return self.began <= until and since <= self.ended

    def as_dict(self, traffic_began: float, recovered_s: float | None, drained_s: float | None) -> dict[str, Any]:
        """Return the JSON form. `start_s`, `end_s` and `undone_s` count from `traffic_began`, a Unix time."""
        return {
            "kind": self.fault.kind,
            "family": FAMILY[self.fault.kind],
            "part": self.fault.part,
            "start_s": round(self.began - traffic_began, 2),
            "end_s": round(self.ended - traffic_began, 2),
            "undone_s": round(self.undone - traffic_began, 2),
            "bite": self.effect or None,
            "failure": self.failure or None,
            "recovered_s": recovered_s,
            "drained_s": drained_s,
        }


async def carry_out(
    site: Site, schedule: Iterable[PlannedFault], report_progress: Callable[[str], None]
) -> list[Outcome]:
    """Carry out each fault at its time, counted from now. Returns the outcomes once all faults are undone.

    A fault that cannot be begun or undone has the error in its outcome. The others go on.
    """
    schedule_start = time.monotonic()
    return list(
        await asyncio.gather(
            *(_carry_out_fault(site, planned, schedule_start, report_progress) for planned in schedule)
        )
    )


async def _carry_out_fault(
    site: Site, planned: PlannedFault, schedule_start: float, report_progress: Callable[[str], None]
) -> Outcome:
    await asyncio.sleep(schedule_start + planned.start_s - time.monotonic())
    fault, outcome, evidence = planned.fault, Outcome(planned.fault, time.time()), list[str]()
    report_progress(f"{planned.start_s:.0f} s: {fault.kind} at {fault.part}")
    try:
        async with in_effect(site, fault) as evidence:
            outcome.began = time.time()
            length_s = max(schedule_start + planned.end_s - time.monotonic(), MIN_FAULT_S)
            if not KINDS[fault.kind].is_momentary and await wait_in_effect(site, fault, length_s):
                await poll_until_truthy(lambda: observe_effect(site, fault))
            outcome.ended = time.time()
    except Exception as error:  # noqa: BLE001 - any error is reported in the outcome, and the run goes on
        outcome.failure = f"{type(error).__name__}: {error}"
        outcome.ended = outcome.ended or time.time()
    outcome.undone, outcome.effect = time.time(), " ".join(evidence)
    outcome.failure = outcome.failure or site.failures.get(fault.id, "")
    return outcome
