"""Reading every source while the marketplace is at rest, so that they speak of one moment."""

import asyncio
import os
import time
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from typing import Any

import aiohttp
import asyncpg
from pika.exceptions import AMQPError

from infra.audit import broker, databases, ledgers, views
from infra.audit.databases import Pulse
from infra.audit.evidence import Evidence
from infra.audit.log import read_log
from infra.audit.record import read_record
from infra.audit.sources import Sources, Unreadable

POLL_S = 1.0
LOOKS = 3
"""So often everything is read anew because something moved meanwhile."""
DEADLINES = {
    "payment-timed-out": ("PAYMENT_DEADLINE_S", 30.0),
    "reservation-expired": ("RESERVATION_DEADLINE_S", 30.0),
    "no-stock-answer": ("STOCK_ANSWER_DEADLINE_S", 600.0),
}
"""What the services read from their environment, and their defaults."""
FAILURES: tuple[type[Exception], ...] = (
    *(OSError, TimeoutError, ValueError, KeyError, TypeError, Unreadable),
    *(aiohttp.ClientError, asyncpg.PostgresError, asyncpg.InterfaceError, AMQPError),
)
"""What a source may raise that is away, or answers what nobody expects."""

Pulses = Mapping[str, Pulse]


async def collect(sources: Sources, *, settle_s: float) -> Evidence:
    """All that can be read, once everything has come to rest, or `settle_s` are over. Never raises for a source."""
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        deadline = time.monotonic() + settle_s
        for _ in range(LOOKS):
            try:
                before = await _come_to_rest(sources, http, deadline)
            except FAILURES:  # what is away now says so below
                return await _read(sources, http)
            found = await _read(sources, http)
            try:
                if await _pulses(sources) == before:
                    return found
            except FAILURES as error:
                return _without(found, "books", f"went away while it was read: {error!r}")
    return _without(found, "rest", "the marketplace did not stand still while it was read")


async def _come_to_rest(sources: Sources, http: aiohttp.ClientSession, deadline: float) -> Pulses:
    """Wait until nothing is open and nothing moves; gives up at the deadline (then the invariants say what waits)."""
    pulses = await _pulses(sources)
    while True:
        queues = await broker.read_queues(http, sources.management, sources.databases)
        await asyncio.sleep(POLL_S)
        before, pulses = pulses, await _pulses(sources)
        waiting = sum(each.ready + each.unacknowledged for each in queues)
        at_rest = before == pulses and not waiting and not any(each.open for each in pulses.values())
        if at_rest or time.monotonic() > deadline:
            return pulses


async def _pulses(sources: Sources) -> Pulses:
    return {name: await databases.feel_pulse(name, url) for name, url in sources.databases.items()}


async def _read(sources: Sources, http: aiohttp.ClientSession) -> Evidence:
    found: dict[str, Any] = {}
    unread: dict[str, str] = {}

    async def take(name: str, source: Awaitable[Any]) -> None:
        try:
            found[name] = await source
        except* FAILURES as group:
            unread[name] = "; ".join(f"{error!r}" for error in group.exceptions)

    at = sources.databases
    await take("record", asyncio.to_thread(read_record, sources.record))
    await take("payments", ledgers.read_payments(http, sources.outside))
    await take("parcels", ledgers.read_parcels(http, sources.outside))
    await take("mails", ledgers.read_mails(http, sources.outside))
    await take("queues", broker.read_queues(http, sources.management, at))
    await take("log", asyncio.to_thread(read_log, sources.amqp))
    await take("catalog", databases.read_catalog(at["catalog"]))
    await take("cart", databases.read_cart(at["cart"]))
    await take("checkout", databases.read_checkout(at["checkout"]))
    await take("delivery", databases.read_delivery(at["delivery"]))
    await take("notifications", databases.read_notifications(at["notifications"]))
    await take("books", _books(at))
    customers = set(found["record"].accepted.values()) if "record" in found else set()
    await take("views", views.read_views(http, sources.issuer, sources.checkout, customers))
    waits = {reason: float(os.environ.get(name, default)) for reason, (name, default) in DEADLINES.items()}
    return Evidence(**found, deadlines=waits, unread=unread)


async def _books(at: Mapping[str, str]) -> dict[str, Any]:
    return {name: await databases.read_books(url) for name, url in at.items()}


def _without(found: Evidence, name: str, why: str) -> Evidence:
    return replace(found, unread={**found.unread, name: why})
