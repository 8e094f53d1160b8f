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
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http:
        deadline = time.monotonic() + settle_s
        for _ in range(LOOKS):
            before = await _come_to_rest(sources, http, deadline)
            found = await _read(sources, http)
            if before is None:
                break
            if await _pulses(sources) == before:
                return found
    return replace(found, unread={**found.unread, "rest": "no moment was found at which all of it stood still"})


async def _come_to_rest(sources: Sources, http: aiohttp.ClientSession, deadline: float) -> Pulses | None:
    """Wait until nothing is open, nothing moves and everything answers.

    Gives up at the deadline: then the invariants say what waits, and the sources what is away.
    """
    pulses = await _pulses(sources)
    while time.monotonic() < deadline:
        await asyncio.sleep(POLL_S)
        before, pulses = pulses, await _pulses(sources)
        still = pulses is not None and pulses == before and not any(each.open for each in pulses.values())
        if still and await _queues_are_empty(sources, http):
            break
    return pulses


async def _queues_are_empty(sources: Sources, http: aiohttp.ClientSession) -> bool:
    try:
        queues = await broker.read_queues(http, sources.management, sources.databases)
    except FAILURES:
        return False
    return not any(queue.ready or queue.unacknowledged for queue in queues)


async def _pulses(sources: Sources) -> Pulses | None:
    """Every service's pulse; None if one of them cannot be felt."""
    try:
        return {name: await databases.feel_pulse(name, url) for name, url in sources.databases.items()}
    except FAILURES:
        return None


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
