"""A failing provider gets no more calls than a healthy one: retries have a budget, and circuits open."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from infra.lab.chaos import Site
from infra.lab.simulator import Endpoints, Shop, Traffic, run_traffic
from tests.system.faults import fault_during
from tests.system.marketplace import Visit

RATE, SECONDS = 8.0, 30.0
FAILURES: dict[str, tuple[str, dict[str, float]]] = {
    "it refuses": ("errors", {"error_rate": 1.0}),
    "its answers are lost": ("lost-answers", {"lost_answer_rate": 1.0}),
    "four of ten answers are lost": ("lost-answers", {"lost_answer_rate": 0.4}),
    "it hangs": ("hang", {"hang_rate": 1.0}),
}


async def calls(site: Site, visit: Visit, kind: str = "", options: dict[str, float] | None = None) -> tuple[int, int]:
    """Count the calls of provider A by the same traffic: during the half minute of the fault, and in total.

    Asserts that finally no order is pending and no message is a dead letter.
    """

    async def count_calls() -> int:
        return int((await visit.outside("GET", "/dials/payments-a/counts")).get("requests", 0))

    before, meanwhile = await count_calls(), 0

    async def fail(_: Shop) -> None:
        nonlocal meanwhile
        async with AsyncExitStack() as stack:
            if kind:
                await stack.enter_async_context(fault_during(site, kind, "payments-a", **options or {}))
            await asyncio.sleep(SECONDS)
            meanwhile = await count_calls() - before

    traffic = Traffic(RATE, SECONDS, seed=11, profile="buyers", drain_s=120)
    report = await run_traffic(Endpoints.of(site.state), traffic, lambda _: None, fail)
    assert (report.orders["pending"], report.unfinished, report.events["dead"]) == (0, [], 0)
    return meanwhile, await count_calls() - before


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_provider_that_fails_for_half_a_minute_gets_no_more_calls(site: Site, visit: Visit) -> None:
    usual, in_all = await calls(site, visit)
    assert usual > 100
    found = {name: await calls(site, visit, *failure) for name, failure in FAILURES.items()}
    print(f"calls without failure: {usual} {in_all}; {found}")
    for name, (meanwhile, until_all_was_over) in found.items():
        assert meanwhile < 1.2 * usual, f"{name}: {meanwhile} calls, {usual} without"
        assert until_all_was_over < 1.2 * in_all, f"{name}: {until_all_was_over} calls, {in_all} without"
