"""Audits a real marketplace: it passes after traffic, and finds violations that are planted afterwards.

It uses its own stack: other tests forge messages and kill parts, which an audit would report.
"""

import asyncio
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from infra.lab.audit import INVARIANTS
from tests.system.marketplace import Marketplace, until
from tests.system.planted_violations import (
    Plant,
    a_delivered_order,
    a_doubled_charge,
    a_read_model_that_lost_a_row,
    a_second_mail,
    a_second_parcel,
    a_unit_that_vanished,
    an_event_that_was_not_handled,
    an_order_deleted,
    audited,
)
from tests.system.shopping import accepted, accepted_at_least, without

pytestmark = pytest.mark.slow  # `test_chaos.py` runs an audit that passes and one that finds a doubled charge

DEADLINES = ("CART_ABANDONED_AFTER_S", "PAYMENT_DEADLINE_S", "SHIPPING_DEADLINE_S", "RESERVATION_DEADLINE_S")
"""No deadline may come due during the tests: it would meet planted violations or wait for removed rows."""
SHOPPING = ("--rate", "8", "--duration", "6", "--seed", "7", "--profile", "buyers")


@pytest.fixture(scope="module")
def stack() -> Iterator[Marketplace]:
    """Provide a stack after traffic whose orders have all ended."""
    with tempfile.TemporaryDirectory(prefix="marketplace-audit-") as home:
        Path(home).chmod(0o711)
        stack = Marketplace(Path(home), f"audit-{os.getpid()}")
        stack.environment |= dict.fromkeys(DEADLINES, "3600")
        try:
            stack.command("up", "-d")
            for name in DEADLINES:
                del stack.environment[name]  # the audit reads them from the stack
            stack.command("traffic", *SHOPPING)
            yield stack
        finally:
            stack.command("down", "--volumes")


def by_cli(stack: Marketplace, file: Path, exit_code: int, *options: str) -> dict[str, Any]:
    """Run `./marketplace audit --json FILE`, assert its exit code, and return its output."""
    if exit_code == 0:
        stack.command("audit", "--json", str(file), *options)
    else:
        with pytest.raises(AssertionError, match=f": {exit_code}\n"):
            stack.command("audit", "--json", str(file), "--settle", "1", *options)
    found: dict[str, Any] = json.loads(file.read_text())
    return found


@pytest.mark.timeout(240)
async def test_the_audit_passes_after_traffic(stack: Marketplace, tmp_path: Path) -> None:
    found = await asyncio.to_thread(by_cli, stack, tmp_path / "verdict.json", 0)
    assert (found["verdict"], found["violations"], found["unknown"]) == ("pass", [], [])
    assert set(found["checked"]) == {invariant.id for invariant in INVARIANTS}
    counts = found["counts"]
    assert counts["orders"] >= counts["accepted"] >= 15
    assert counts["events"] > 10 * counts["accepted"]
    assert counts["mails"] >= 3 * counts["kept"]


@pytest.mark.timeout(240)
async def test_the_audit_passes_when_the_gateway_was_killed_during_checkouts(
    stack: Marketplace, tmp_path: Path
) -> None:
    record = stack.home / stack.name / "record.jsonl"
    before = accepted(record)
    async with asyncio.TaskGroup() as group:
        longer = [*SHOPPING, "--duration", "20"]
        traffic = group.create_task(asyncio.to_thread(stack.command, "traffic", *longer))
        await until(accepted_at_least(record, before + 3), 40)
        async with without(stack, "gateway"):
            await asyncio.sleep(0.5)  # checkouts that are under way or begin now fail
        at_return = accepted(record)
        await until(accepted_at_least(record, at_return + 3), 30)
        await traffic
    found = await asyncio.to_thread(by_cli, stack, tmp_path / "verdict.json", 0)
    assert (found["verdict"], found["violations"], found["unknown"]) == ("pass", [], [])


@pytest.mark.parametrize(
    ("plants", "noticed_by"),
    [
        ([a_doubled_charge], {"captured-is-owed", "never-charged-twice"}),
        ([a_unit_that_vanished], {"stock-adds-up"}),
        (
            [an_order_deleted],
            {
                *("accepted-is-ordered", "checked-out-is-placed", "said-is-journalled", "stock-adds-up"),
                *("captured-is-owed", "never-charged-twice", "charged-in-the-orders-currency", "shipped-once"),
                *("reservations-follow-orders", "bought-leaves-the-cart", "shipments-follow-carriers"),
                *("carts-hold-what-was-put", "events-say-what-is-recorded"),
            },
        ),
        (
            [a_second_parcel, a_second_mail, an_event_that_was_not_handled, a_read_model_that_lost_a_row],
            {
                *("shipped-once", "parcels-are-told", "no-mail-comes-twice", "every-event-took-effect"),
                *("read-model-is-its-journal", "customers-read-the-truth", "parcels-are-of-their-orders"),
            },
        ),
    ],
)
async def test_a_planted_violation_is_found(stack: Marketplace, plants: list[Plant], noticed_by: set[str]) -> None:
    order_id = await a_delivered_order(stack)
    async with AsyncExitStack() as planted:
        for plant in plants:
            await planted.enter_async_context(plant(stack, order_id))
        found = await audited(stack)
    assert {violation.invariant for violation in found.violations} == noticed_by
    assert (found.verdict, found.unknown) == ("fail", ())


async def test_too_few_orders_make_the_verdict_unknown(stack: Marketplace, tmp_path: Path) -> None:
    found = await asyncio.to_thread(by_cli, stack, tmp_path / "verdict.json", 3, "--least", "100000")
    assert (found["verdict"], found["violations"]) == ("unknown", [])
    assert any("at least 100000 prove something" in why for why in found["unknown"])


@pytest.mark.timeout(240)
async def test_forged_messages_of_a_fault_are_counted_and_may_be_discarded(stack: Marketplace) -> None:
    await asyncio.to_thread(stack.command, "fault", "add", "malformed", "cart", "--for", "1")
    found = await audited(stack)
    assert (found.violations, found.unknown) == ((), ())
    dead = found.counts["dead"]
    assert min(dead, found.counts["injected"]) >= 1
    await asyncio.to_thread(stack.command, "dead", "discard", "--all", "--reason", "malformed")
    found = await audited(stack)
    assert (found.violations, found.unknown) == ((), ())
    assert (found.counts["dead"], found.counts["discarded"]) == (0, dead)


@pytest.mark.timeout(240)
async def test_an_unreadable_source_makes_the_verdict_unknown(stack: Marketplace, tmp_path: Path) -> None:
    await asyncio.to_thread(stack.command, "kill", "catalog-db")
    try:
        found = await asyncio.to_thread(by_cli, stack, tmp_path / "verdict.json", 3)
    finally:
        await asyncio.to_thread(stack.command, "start", "catalog-db")
    assert (found["verdict"], found["violations"]) == ("unknown", [])
    assert any(why.startswith("catalog could not be read") for why in found["unknown"])
    assert "stock-adds-up" not in found["checked"]
