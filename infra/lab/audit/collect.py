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

from infra.lab.audit import broker, customer_orders, databases, ledgers
from infra.lab.audit.databases import Activity
from infra.lab.audit.evidence import Evidence, Mail, MessagingTables, Queue
from infra.lab.audit.log import Log, read_log
from infra.lab.audit.record import read_record
from infra.lab.audit.sources import Sources, Unreadable

POLL_S = 1.0
MAX_READS = 3
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
class RestPoint:
    """A moment at which the work for all earlier events was done."""

    before: UUID
    """Events with a smaller id were published before this moment."""
    activities: Mapping[str, Activity] | None
    """Activity of each service; None if a service's database is unavailable."""
    queues: tuple[Queue, ...] | None = None
    """The queues, all of them empty; None if they were never observed to be empty."""


async def collect(sources: Sources, *, settle_s: float) -> Evidence:
    """Read all sources once the marketplace is at rest, or after `settle_s` seconds. Never raises if a source fails.

    Events that are published later, such as `cart.cart-abandoned`, are left out of every source. They are recognised
    by their ids, which contain the time.
    """
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http:
        deadline = time.monotonic() + settle_s
        for _ in range(MAX_READS):
            rest = await _wait_for_rest(sources, http, deadline)
            evidence = await _read(sources, http, rest)
            if rest.activities is None:
                break
            after = await _measure_all(sources)
            if after is not None and _published_counts(after) == _published_counts(rest.activities):
                return evidence
    return replace(
        evidence,
        unread={
            **evidence.unread,
            "the state at rest": "events were published during every attempt to read all sources",
        },
    )


async def _wait_for_rest(sources: Sources, http: aiohttp.ClientSession, deadline: float) -> RestPoint:
    """Wait until no work is open, no event is being published and every source answers.

    Gives up at the deadline. Then the invariants report what is waiting, and `unread` reports which sources failed.
    """
    at, activities = _smallest_id_now(), await _measure_all(sources)
    while time.monotonic() < deadline:
        await asyncio.sleep(POLL_S)
        previous_at, previous = at, activities
        at, activities = _smallest_id_now(), await _measure_all(sources)
        if previous is None or activities is None or _published_counts(previous) != _published_counts(activities):
            continue
        queues = await _queues(sources, http)
        queues_busy = queues is None or any(queue.ready or queue.unacknowledged for queue in queues)
        if not queues_busy and not any(each.open for each in activities.values()):
            # Nothing was published between the last two measurements. So the events with ids from before `previous_at`
            # had been committed by the first of them, and the second found that their work was done.
            return RestPoint(previous_at, activities, queues)
    return RestPoint(at, activities)


def _published_counts(activities: Mapping[str, Activity]) -> dict[str, int]:
    return {service: activity.published for service, activity in activities.items()}


def _smallest_id_now() -> UUID:
    """Return the smallest UUIDv7 of this millisecond."""
    return UUID(int=(time.time_ns() // 1_000_000) << 80)


async def _queues(sources: Sources, http: aiohttp.ClientSession) -> tuple[Queue, ...] | None:
    try:
        return await broker.read_queues(http, sources.management, sources.databases)
    except FAILURES:
        return None


async def _measure_all(sources: Sources) -> Mapping[str, Activity] | None:
    """Return the activity of every service, or None if one of them cannot be read."""
    try:
        return {name: await databases.measure_activity(name, url) for name, url in sources.databases.items()}
    except FAILURES:
        return None


async def _read(sources: Sources, http: aiohttp.ClientSession, rest: RestPoint) -> Evidence:
    found: dict[str, Any] = {}
    unread: dict[str, str] = {}

    async def read_source(name: str, source: Awaitable[Any]) -> None:
        try:
            found[name] = await source
        except* FAILURES as group:
            unread[name] = "; ".join(f"{error!r}" for error in group.exceptions)

    urls, before = sources.databases, rest.before
    await read_source("record", asyncio.to_thread(read_record, sources.record))
    await read_source("payments", ledgers.read_payments(http, sources.outside))
    await read_source("parcels", ledgers.read_parcels(http, sources.outside))
    await read_source("mails", _mails(http, sources.outside, before))
    if rest.queues is None:
        await read_source("queues", broker.read_queues(http, sources.management, urls))
    else:
        found["queues"] = rest.queues
    await read_source("log", _log(sources.amqp, before))
    await read_source("catalog", databases.read_catalog(urls["catalog"]))
    await read_source("cart", databases.read_cart(urls["cart"]))
    await read_source("checkout", databases.read_checkout(urls["checkout"]))
    await read_source("delivery", databases.read_delivery(urls["delivery"]))
    await read_source("notifications", databases.read_notifications(urls["notifications"]))
    await read_source("webhooks", databases.read_webhooks(urls["notifications"], before))
    await read_source("messaging_tables", _read_messaging_tables(urls, before))
    if "messaging_tables" in found and "log" in found:
        committed = {key for messaging_tables in found["messaging_tables"].values() for key in messaging_tables.outbox}
        await read_source("unlogged", databases.read_events(urls, committed - found["log"].events.keys()))
    customers = set(found["record"].customers_by_order.values()) if "record" in found else set()
    await read_source(
        "customer_orders", customer_orders.read_customer_orders(http, sources.issuer, sources.checkout, customers)
    )
    deadlines = {reason: float(sources.settings.get(name, default)) for reason, (name, default) in DEADLINES.items()}
    return Evidence(**found, deadlines=deadlines, unread=unread)


async def _read_messaging_tables(urls: Mapping[str, str], before: UUID) -> dict[str, MessagingTables]:
    return {name: await databases.read_messaging_tables(url, before) for name, url in urls.items()}


async def _log(url: str, before: UUID) -> Log:
    return (await asyncio.to_thread(read_log, url)).until(before)


async def _mails(http: aiohttp.ClientSession, outside: str, before: UUID) -> tuple[Mail, ...]:
    """Return the mails about orders, and those about events with ids smaller than `before`."""
    mails = await ledgers.read_mails(http, outside)
    return tuple([mail for mail in mails if (event_id := mail.event_id) is None or event_id < before])
