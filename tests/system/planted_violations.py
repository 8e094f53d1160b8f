"""Plants violations that an audit must find in a real marketplace, and removes them afterwards."""

import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import asyncpg

from infra.lab.audit import Sources, Verdict, audit
from tests.system.marketplace import Marketplace

SETTLE_S = 20.0

Plant = Callable[[Marketplace, str], AbstractAsyncContextManager[None]]


def directory(stack: Marketplace) -> Path:
    return stack.home / stack.name


async def audited(stack: Marketplace) -> Verdict:
    where = directory(stack)
    return await audit(Sources.of_stack(where / "stack.json", where / "record.jsonl"), settle_s=SETTLE_S)


async def a_delivered_order(stack: Marketplace) -> str:
    """Return a delivered order that provider A charged and carrier A delivered."""
    async with as_superuser(stack, "checkout") as sql:
        return str(await sql.fetchval("select order_id from orders where status = 'delivered' and provider = 'a'"))


def ledger(stack: Marketplace) -> sqlite3.Connection:
    """Open the stand-ins' ledger while they use it."""
    return sqlite3.connect(directory(stack) / "outside" / "ledger.sqlite3", timeout=10)


@asynccontextmanager
async def a_second_copy(stack: Marketplace, part: str, kind: str, order_id: str) -> AsyncIterator[None]:
    """Duplicate an entry of a provider's or carrier's ledger during the block."""
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
    """Remove rows during the block, and restore them afterwards."""
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
    find_event = "select event_id from messaging.outbox where type = 'checkout.order-confirmed.v1' and subject = $1"
    async with as_superuser(stack, "checkout") as sql:
        event_id = await sql.fetchval(find_event, order_id)
    async with moved_aside(stack, "delivery", "messaging.inbox", "event_id = $1", event_id):
        yield
