"""The audit of a real marketplace: it passes after traffic, and finds what is then broken behind everybody's back.

A stack of its own: other tests forge messages and kill parts, which an audit would rightly report.
"""

import asyncio
import json
import os
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from infra.audit import INVARIANTS, Sources, Verdict, audit
from tests.system.marketplace import Marketplace

SETTLE_S = 20.0
DEADLINES = ("CART_ABANDONED_AFTER_S", "PAYMENT_DEADLINE_S", "SHIPPING_DEADLINE_S", "RESERVATION_DEADLINE_S")
"""None comes while the tests look: it would find what was planted, and wait for what is gone."""
SHOPPING = ("--rate", "8", "--duration", "6", "--seed", "7", "--profile", "buyers")

Plant = Callable[[Marketplace, str], AbstractAsyncContextManager[None]]


@pytest.fixture(scope="module")
def stack() -> Iterator[Marketplace]:
    """A stack in which customers have shopped, and everything has come to its end."""
    with tempfile.TemporaryDirectory(prefix="marketplace-audit-") as home:
        Path(home).chmod(0o711)
        stack = Marketplace(Path(home), f"audit-{os.getpid()}")
        stack.environment |= dict.fromkeys(DEADLINES, "3600")
        try:
            stack.command("up", "-d")
            for name in DEADLINES:
                del stack.environment[name]  # the audit knows them by the stack
            stack.command("traffic", *SHOPPING)
            yield stack
        finally:
            stack.command("down", "--volumes")


def directory(stack: Marketplace) -> Path:
    return stack.home / stack.name


async def audited(stack: Marketplace) -> Verdict:
    where = directory(stack)
    return await audit(Sources.of_stack(where / "stack.json", where / "record.jsonl"), settle_s=SETTLE_S)


def by_cli(stack: Marketplace, file: Path, exit_code: int, *options: str) -> dict[str, Any]:
    """What `./marketplace audit --json FILE` writes; it has to end with this exit code."""
    if exit_code == 0:
        stack.command("audit", "--json", str(file), *options)
    else:
        with pytest.raises(AssertionError, match=f": {exit_code}\n"):
            stack.command("audit", "--json", str(file), "--settle", "1", *options)
    found: dict[str, Any] = json.loads(file.read_text())
    return found


@pytest.mark.timeout(240)
async def test_after_traffic_every_promise_was_kept(stack: Marketplace, tmp_path: Path) -> None:
    found = await asyncio.to_thread(by_cli, stack, tmp_path / "verdict.json", 0)
    assert (found["verdict"], found["violations"], found["unknown"]) == ("pass", [], [])
    assert set(found["checked"]) == {invariant.id for invariant in INVARIANTS}
    counts = found["counts"]
    assert counts["orders"] >= counts["accepted"] >= 15
    assert counts["events"] > 10 * counts["accepted"]
    assert counts["mails"] >= 3 * counts["kept"]


# -- what is planted, and undone ----------------------------------------------------------------------------


def ledger(stack: Marketplace) -> sqlite3.Connection:
    """The outside world's own book, while it is in use."""
    return sqlite3.connect(directory(stack) / "outside" / "ledger.sqlite3", timeout=10)


@asynccontextmanager
async def a_second_copy(stack: Marketplace, part: str, kind: str, order_id: str) -> AsyncIterator[None]:
    """An entry of a provider's or carrier's ledger, once more."""
    with closing(ledger(stack)) as book:
        [entry] = [
            entry
            for (text,) in book.execute("select entry from entries where part = ?", (part,)).fetchall()
            if (entry := json.loads(text))["kind"] == kind and entry["order_id"] == order_id
        ]
        with book:
            insert = "insert into entries (part, entry) values (?, ?)"
            seq = book.execute(insert, (part, json.dumps(entry | {"key": f"{entry['key']}-again"}))).lastrowid
        yield
        with book:
            book.execute("delete from entries where seq = ?", (seq,))


def a_doubled_charge(stack: Marketplace, order_id: str) -> AbstractAsyncContextManager[None]:
    return a_second_copy(stack, "payments-a", "capture", order_id)


def a_second_parcel(stack: Marketplace, order_id: str) -> AbstractAsyncContextManager[None]:
    return a_second_copy(stack, "carriers-a", "dispatch", order_id)


@asynccontextmanager
async def a_second_mail(stack: Marketplace, order_id: str) -> AsyncIterator[None]:
    columns = "message_id, recipient, subject, about, kind, received_at, content"
    with closing(ledger(stack)) as book:
        with book:
            again = f"insert into mails ({columns}) select {columns} from mails where about = ? limit 1"
            seq = book.execute(again, (order_id,)).lastrowid
        yield
        with book:
            book.execute("delete from mails where seq = ?", (seq,))


@asynccontextmanager
async def as_superuser(stack: Marketplace, service: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(stack.state["services"][service]["database"]["superuser"])
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def a_unit_that_vanished(stack: Marketplace, order_id: str) -> AsyncIterator[None]:
    change = """
    update products set on_hand = on_hand + $2 where product_id in (
        select jsonb_object_keys(lines)::uuid from reservations where order_id = $1)
    """
    async with as_superuser(stack, "catalog") as sql:
        await sql.execute(change, order_id, -1)
        yield
        await sql.execute(change, order_id, 1)


@asynccontextmanager
async def moved_aside(stack: Marketplace, service: str, table: str, condition: str, value: Any) -> AsyncIterator[None]:
    """Rows that are gone while the block lasts."""
    async with as_superuser(stack, service) as sql:
        await sql.execute(f"create temp table aside (like {table})")
        gone = f"with gone as (delete from {table} where {condition} returning *) insert into aside select * from gone"
        assert await sql.execute(gone, value) != "INSERT 0 0"
        yield
        await sql.execute(f"insert into {table} select * from aside")


@asynccontextmanager
async def an_order_deleted(stack: Marketplace, order_id: str) -> AsyncIterator[None]:
    async with (
        moved_aside(stack, "checkout", "order_journal", "order_id = $1", order_id),
        moved_aside(stack, "checkout", "orders", "order_id = $1", order_id),
    ):
        yield


def a_read_model_that_lost_a_row(stack: Marketplace, order_id: str) -> AbstractAsyncContextManager[None]:
    return moved_aside(stack, "checkout", "orders", "order_id = $1", order_id)


@asynccontextmanager
async def an_event_that_was_not_handled(stack: Marketplace, order_id: str) -> AsyncIterator[None]:
    said = "select event_id from messaging.outbox where type = 'checkout.order-confirmed.v1' and subject = $1"
    async with as_superuser(stack, "checkout") as sql:
        event_id = await sql.fetchval(said, order_id)
    async with moved_aside(stack, "delivery", "messaging.inbox", "event_id = $1", event_id):
        yield


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
            },
        ),
        (
            [a_second_parcel, a_second_mail, an_event_that_was_not_handled, a_read_model_that_lost_a_row],
            {
                *("shipped-once", "parcels-are-told", "no-mail-comes-twice", "every-event-took-effect"),
                *("read-model-is-its-journal", "customers-read-the-truth"),
            },
        ),
    ],
)
async def test_what_is_broken_behind_everybodys_back_is_found(
    stack: Marketplace, plants: list[Plant], noticed_by: set[str]
) -> None:
    order_id = await a_delivered_order(stack)
    async with AsyncExitStack() as planted:
        for plant in plants:
            await planted.enter_async_context(plant(stack, order_id))
        found = await audited(stack)
    assert {violation.invariant for violation in found.violations} == noticed_by
    assert (found.verdict, found.unknown) == ("fail", ())


async def a_delivered_order(stack: Marketplace) -> str:
    """One of an accepted customer's, charged by provider A and carried by carrier A."""
    async with as_superuser(stack, "checkout") as sql:
        return str(await sql.fetchval("select order_id from orders where status = 'delivered' and provider = 'a'"))


async def test_fewer_orders_than_were_asked_for_prove_nothing(stack: Marketplace, tmp_path: Path) -> None:
    found = await asyncio.to_thread(by_cli, stack, tmp_path / "verdict.json", 3, "--least", "100000")
    assert (found["verdict"], found["violations"]) == ("unknown", [])
    assert any("at least 100000 prove something" in why for why in found["unknown"])


@pytest.mark.timeout(240)
async def test_what_a_fault_injected_is_counted_and_may_be_discarded(stack: Marketplace) -> None:
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
async def test_what_cannot_be_read_makes_it_unknown(stack: Marketplace, tmp_path: Path) -> None:
    await asyncio.to_thread(stack.command, "kill", "catalog-db")
    try:
        found = await asyncio.to_thread(by_cli, stack, tmp_path / "verdict.json", 3)
    finally:
        await asyncio.to_thread(stack.command, "start", "catalog-db")
    assert (found["verdict"], found["violations"]) == ("unknown", [])
    assert any(why.startswith("catalog could not be read") for why in found["unknown"])
    assert "stock-adds-up" not in found["checked"]
