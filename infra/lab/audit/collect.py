"""Reads every source while the marketplace is at rest, so that all of them describe the same moment."""

import asyncio
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg
from pika.exceptions import AMQPError

from infra.lab.audit import broker, databases, ledgers, views
from infra.lab.audit.databases import Pulse
from infra.lab.audit.evidence import Books, Evidence, Mail, Queue
from infra.lab.audit.log import Log, read_log
from infra.lab.audit.record import read_record
from infra.lab.audit.sources import Sources, Unreadable

POLL_S = 1.0
LOOKS = 3
"""Maximum number of times that all sources are read. They are read again if an event was published meanwhile."""
DEADLINES = {
    "payment-timed-out": ("PAYMENT_DEADLINE_S", 30.0),
    "no-address": ("PAYMENT_DEADLINE_S", 30.0),
    "reservation-expired": ("RESERVATION_DEADLINE_S", 30.0),
    "no-stock-answer": ("STOCK_ANSWER_DEADLINE_S", 600.0),
}
"""Environment variable and default (seconds) of each deadline, by the reason for which the order is then cancelled."""
FAILURES: tuple[type[Exception], ...] = (
    *(OSError, TimeoutError, ValueError, OverflowError, KeyError, TypeError, Unreadable),
    *(aiohttp.ClientError, asyncpg.PostgresError, asyncpg.InterfaceError, AMQPError),
)
"""Exceptions of a source that is unavailable or answers unexpectedly."""


@dataclass(frozen=True)
class Rest:
    """A moment at which the work for all earlier events was done."""

    before: UUID
    """Events with a smaller id were published before this moment."""
    pulses: Mapping[str, Pulse] | None
    """Activity of each service; None if a service's database is unavailable."""
    queues: tuple[Queue, ...] | None = None
    """The queues, all of them empty; None if they were never observed to be empty."""


async def collect(sources: Sources, *, settle_s: float) -> Evidence:
    """Read all sources once the marketplace is at rest, or after `settle_s` seconds. Never raises if a source fails.

    Events published later (such as an abandoned cart) are left out of every source by their ids, which contain the
    time.
    """
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http:
        deadline = time.monotonic() + settle_s
        for _ in range(LOOKS):
            rest = await _come_to_rest(sources, http, deadline)
            found = await _read(sources, http, rest)
            if rest.pulses is None:
                break
            after = await _pulses(sources)
            if after is not None and _said(after) == _said(rest.pulses):
                return found
    return replace(
        found, unread={**found.unread, "rest": "events were published during every attempt to read all sources"}
    )


async def _come_to_rest(sources: Sources, http: aiohttp.ClientSession, deadline: float) -> Rest:
    """Wait until no work is open, no event is being published and every source answers.

    Gives up at the deadline. Then the invariants report what is waiting, and `unread` reports which sources failed.
    """
    at, pulses = _now(), await _pulses(sources)
    while time.monotonic() < deadline:
        await asyncio.sleep(POLL_S)
        since, before = at, pulses
        at, pulses = _now(), await _pulses(sources)
        if before is None or pulses is None or _said(before) != _said(pulses):
            continue
        queues = await _queues(sources, http)
        waits = queues is None or any(queue.ready or queue.unacknowledged for queue in queues)
        if not waits and not any(each.open for each in pulses.values()):
            return Rest(since, pulses, queues)
    return Rest(at, pulses)


def _said(pulses: Mapping[str, Pulse]) -> dict[str, int]:
    return {service: pulse.said for service, pulse in pulses.items()}


def _now() -> UUID:
    """Return the smallest UUIDv7 of this millisecond."""
    return UUID(int=(time.time_ns() // 1_000_000) << 80)


async def _queues(sources: Sources, http: aiohttp.ClientSession) -> tuple[Queue, ...] | None:
    try:
        return await broker.read_queues(http, sources.management, sources.databases)
    except FAILURES:
        return None


async def _pulses(sources: Sources) -> Mapping[str, Pulse] | None:
    """Return the activity of every service, or None if one of them cannot be read."""
    try:
        return {name: await databases.feel_pulse(name, url) for name, url in sources.databases.items()}
    except FAILURES:
        return None


async def _read(sources: Sources, http: aiohttp.ClientSession, rest: Rest) -> Evidence:
    found: dict[str, Any] = {}
    unread: dict[str, str] = {}

    async def take(name: str, source: Awaitable[Any]) -> None:
        try:
            found[name] = await source
        except* FAILURES as group:
            unread[name] = "; ".join(f"{error!r}" for error in group.exceptions)

    at, before = sources.databases, rest.before
    await take("record", asyncio.to_thread(read_record, sources.record))
    await take("payments", ledgers.read_payments(http, sources.outside))
    await take("parcels", ledgers.read_parcels(http, sources.outside))
    await take("mails", _mails(http, sources.outside, before))
    if rest.queues is None:
        await take("queues", broker.read_queues(http, sources.management, at))
    else:
        found["queues"] = rest.queues
    await take("log", _log(sources.amqp, before))
    await take("catalog", databases.read_catalog(at["catalog"]))
    await take("cart", databases.read_cart(at["cart"]))
    await take("checkout", databases.read_checkout(at["checkout"]))
    await take("delivery", databases.read_delivery(at["delivery"]))
    await take("notifications", databases.read_notifications(at["notifications"]))
    await take("webhooks", databases.read_webhooks(at["notifications"], before))
    await take("books", _books(at, before))
    if "books" in found and "log" in found:
        kept = {key for books in found["books"].values() for key in books.outbox}
        await take("unlogged", databases.read_events(at, kept - found["log"].events.keys()))
    customers = set(found["record"].accepted.values()) if "record" in found else set()
    await take("views", views.read_views(http, sources.issuer, sources.checkout, customers))
    waits = {reason: float(sources.settings.get(name, default)) for reason, (name, default) in DEADLINES.items()}
    return Evidence(**found, deadlines=waits, unread=unread)


async def _books(at: Mapping[str, str], before: UUID) -> dict[str, Books]:
    return {name: await databases.read_books(url, before) for name, url in at.items()}


async def _log(url: str, before: UUID) -> Log:
    return (await asyncio.to_thread(read_log, url)).until(before)


async def _mails(http: aiohttp.ClientSession, outside: str, before: UUID) -> tuple[Mail, ...]:
    """Return the mails about orders, and those about events with ids smaller than `before`."""
    mails = await ledgers.read_mails(http, outside)
    return tuple([mail for mail in mails if (moment := mail.moment) is None or moment < before])
