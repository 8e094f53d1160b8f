"""Runs traffic and faults, heals the stack, waits until it has drained, and audits it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rich.table import Table

from infra.lab.chaos.experiment import Experiment
from infra.lab.chaos.experiment_runner import Outcome, carry_out
from infra.lab.chaos.healing import heal
from infra.lab.chaos.recovery import compare_with_targets, recovery_medians, time_to_drain, time_to_recover
from infra.lab.chaos.schedule import PlannedFault
from infra.lab.chaos.site import open_site
from infra.lab.simulator import Endpoints, FlashSale, Report, Shop, Traffic, run_traffic
from infra.lab.watch import Sampler, Samples
from infra.stack import Layout

FINAL_SALE_PRODUCT_INDEX, FINAL_SALE_BUYERS, FINAL_SALE_UNITS_EACH = 31, 24, 4
"""The final sale: its product, buyers, and units for each. The simulator stocks a dozen units of this product. The
buyers want more units than this stock and one restock provide."""
FINAL_SALE_FIRST_SESSION = 10**12
"""First session number of the final sale. It is higher than that of any other session, even those of a burst."""
VerdictName = Literal["pass", "fail", "unknown"]


@dataclass(frozen=True)
class Judgement:
    """The result of the audit."""

    verdict: VerdictName
    violations: Sequence[dict[str, Any]] = ()
    reasons: Sequence[str] = ()
    """Reasons for the verdict `unknown`, for people."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Numbers of what the audit examined, and of the deviations that it allowed."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "verdict": self.verdict,
            "violations": list(self.violations),
            "reasons": list(self.reasons),
            "audited": dict(self.counts),
        }


@dataclass(frozen=True)
class Result:
    """The result of a run."""

    report: Report
    outcomes: Sequence[Outcome]
    traffic_began: float
    """Unix time at which the traffic began."""
    requested: Sequence[float]
    """Unix times at which the accepted orders were requested. `confirmed` has those of their confirmation."""
    confirmed: Sequence[float]
    judgement: Judgement
    samples: Samples
    backlog: Mapping[int, float]
    """Events in queues and outboxes, by Unix second. Seconds in which a part did not report are missing."""

    def as_dict(self) -> dict[str, Any]:
        """Return the machine-readable report."""
        report = self.report.as_dict()
        faults = [
            each.as_dict(self.traffic_began, self._time_to_recover(each), self._time_to_drain(each))
            for each in self.outcomes
        ]
        return {
            "seed": self.report.seed,
            "orders": report["orders"],
            "faults": faults,
            "recovery": recovery_medians(faults),
            **self.judgement.as_dict(),
            "events": report["events"],
            "latency_ms": report["latency_ms"],
            "http": report["http"],
        }

    def table(self) -> Table:
        """Return a table of the faults, for people."""
        headings = ("at", "for", "fault", "part", "observed effect", "recovered", "drained")
        table = Table(*headings, box=None, pad_edge=False)
        for each in self.outcomes:
            after = (self._time_to_recover(each), self._time_to_drain(each))
            table.add_row(
                f"{each.began - self.traffic_began:.0f} s",
                f"{each.ended - each.began:.1f} s",
                each.fault.kind,
                each.fault.part,
                each.effect or each.failure or "no effect observed",
                *("" if seconds is None else f"{seconds:.1f} s" for seconds in after),
            )
        return table

    def unmet_expectations(self, experiment: Experiment) -> list[str]:
        """Return what the experiment expected but the run did not show, for people."""
        first, last = min(each.began for each in self.outcomes), max(each.ended for each in self.outcomes)
        wanted = experiment.expect
        steady = sum(at < first for at in self.confirmed)
        accepted, confirmed = (sum(first <= at <= last for at in times) for times in (self.requested, self.confirmed))
        after = min((at - last for at in self.confirmed if at > last), default=None)
        found = []
        if steady < experiment.steady_state:
            found.append(f"no steady state: {steady} orders confirmed before the first fault")
        if accepted < wanted.accepted_meanwhile:
            found.append(f"{accepted} orders accepted meanwhile, expected {wanted.accepted_meanwhile}")
        if confirmed < wanted.confirmed_meanwhile:
            found.append(f"{confirmed} orders confirmed meanwhile, expected {wanted.confirmed_meanwhile}")
        if wanted.recovered_within_s is not None and (after is None or after > wanted.recovered_within_s):
            found.append(f"recovered after {after} s, expected {wanted.recovered_within_s:g} s")
        return found

    def targets(self) -> list[dict[str, Any]]:
        """Compare the recovery times of faults that nothing overlapped with their targets."""
        return compare_with_targets(self.outcomes, self.confirmed, self.backlog, self.report.by_second.closed)

    def _time_to_recover(self, outcome: Outcome) -> float | None:
        return time_to_recover(outcome, self.outcomes, self.confirmed)

    def _time_to_drain(self, outcome: Outcome) -> float | None:
        return time_to_drain(outcome, self.outcomes, self.backlog)


async def run(
    layout: Layout,
    endpoints: Endpoints,
    traffic: Traffic,
    schedule: Sequence[PlannedFault],
    *,
    judge: Callable[[Sequence[Outcome], float], Awaitable[Judgement]],
    report_progress: Callable[[str], None],
    with_final_sale: bool = False,
) -> Result:
    """Send traffic, carry out the schedule, heal, drain and audit. Every fault is undone, however the run ends.

    `judge` audits the stack. It gets the outcomes of the faults and the Unix time at which the traffic began. With
    `with_final_sale`, buyers compete for a scarce product after healing, so that a short run proves something about
    stock, too.
    """
    outcomes: list[Outcome] = []
    traffic_began, shops = 0.0, list[Shop]()
    async with open_site(layout) as site, Sampler(layout) as samples:

        async def inject_faults(shop: Shop) -> None:
            nonlocal traffic_began
            site.shop, traffic_began = shop, time.time()
            shops.append(shop)
            outcomes.extend(await carry_out(site, schedule, report_progress))
            await heal(site)
            if with_final_sale:
                report_progress("final sale of a scarce product")
                sale = FlashSale(
                    shop,
                    place=FINAL_SALE_PRODUCT_INDEX,
                    buyers=FINAL_SALE_BUYERS,
                    units_each=FINAL_SALE_UNITS_EACH,
                    first_number=FINAL_SALE_FIRST_SESSION,
                )
                await sale.run()

        try:
            report = await run_traffic(endpoints, traffic, report_progress, inject_faults)
        finally:
            await asyncio.shield(asyncio.ensure_future(heal(site)))
    report_progress("auditing")
    orders = [order for shop in shops for order in shop.book.orders.values()]
    return Result(
        report,
        outcomes,
        traffic_began,
        requested=[order.requested_at for order in orders],
        confirmed=[order.confirmed_at for order in orders if order.confirmed_at is not None],
        judgement=await judge(outcomes, traffic_began),
        samples=samples,
        backlog=samples.backlog(site.services),
    )
