"""Reads the services' databases with a read-only role.

Their contents are compared with other sources, and never trusted alone.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from infra.lab.audit.evidence import Cart, Catalog, Checkout, Delivery, MessagingTables, Row, Unlogged, Webhooks
from infra.lab.audit.log import PublishedEvent
from infra.lab.audit.order_history import Entry

ACTIVITY = """
select (select count(*) from messaging.outbox where type not like all ($1)),
    (select count(*) from messaging.outbox_pending) + (select count(*) from messaging.claims)
    + (select count(*) from messaging.scheduled where why <> 'deadline' or due < now() - interval '10 seconds')
    + (select count(*) from messaging.history where state = 'running')
"""
BACKGROUND_EVENTS = ["cart.cart-abandoned.%", "notifications.%"]
"""Event types (LIKE patterns) that do not count as activity. A cart may become abandoned, and mail about it be sent,
long after traffic has ended. No order depends on these events."""
UNFINISHED = {
    "checkout": """
        select count(*) from orders
        where status not in ('delivered', 'cancelled') or status = 'cancelled' and payment = 'captured'
    """,
    "notifications": "select count(*) from messages where status = 'pending'",
}
SCHEDULED = """
select subscription, type, event_id, why, attempt, due, holder from messaging.scheduled
where (why <> 'deadline' or due < now() - interval '10 seconds') and event_id < $1
"""
DEAD = """
select subscription, type, event_id, reason, error, attempts, filed_at, headers ->> 'dead_user' as publisher
from messaging.dead_letters
"""
DISCARDED = """
select subscription, event_id, filed_at, headers ->> 'dead_user' as publisher, by, note, at
from messaging.settled_letters where action = 'discarded' order by settled
"""
OUTBOX_EVENTS = "select event_id, type, subject, at, causation_id, body from messaging.outbox where event_id = any($1)"
HANDLED = "select event_id, subscription, handled_at from messaging.inbox where event_id = any($1)"
PRODUCTS = """
select product_id::text, seller_id, version, name, category, price_amount, price_currency, on_hand, reserved,
    low_stock_threshold,
    case when discontinued then 'discontinued' when on_hand > reserved then 'on-sale' else 'sold-out' end as status
from products
"""
ADDRESSES = "select customer_id, address_id::text, revision from addresses"
SHIPMENTS = """
select order_id::text, shipment_id::text, customer_id, status, carrier, tracking_code, failure, address_id::text
from shipments
"""
PRODUCT_COPIES = "select product_id::text, version, name, price_amount, price_currency, status from products"
MESSAGES = "select notification_id::text, about, kind, person_id, status, failure, sent_at from messages"
ENDPOINTS = "select endpoint_id::text, owner, everyones, disabled from webhook_endpoints"
DELIVERIES = """
select endpoint_id::text, event_id::text, type, body, state from webhook_deliveries where event_id < $1
"""
ORDERS = """
select order_id::text, version, customer_id, status, reason, lines, total_amount, currency, address_id::text,
    payment, provider
from orders
"""
JOURNAL = "select order_id::text, version, type, data, at from order_journal order by order_id, version"


@dataclass(frozen=True)
class Activity:
    """A service's activity: events published, without background events, and unfinished work."""

    published: int
    open: int
    """Number of waiting events, calls, orders and mails."""


@asynccontextmanager
async def open_snapshot(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Connect to a database and read one snapshot (repeatable read) for the duration of the block."""
    connection = await asyncpg.connect(url, timeout=10, command_timeout=60)
    try:
        await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield connection
    finally:
        await connection.close()


async def measure_activity(service: str, url: str) -> Activity:
    """Measure cheaply whether the service is at rest."""
    async with open_snapshot(url) as connection:
        published, waiting = await connection.fetchrow(ACTIVITY, BACKGROUND_EVENTS)
        unfinished = await connection.fetchval(UNFINISHED[service]) if service in UNFINISHED else 0
    return Activity(published, waiting + unfinished)


async def read_messaging_tables(url: str, before: UUID) -> MessagingTables:
    """Read the messaging runtime's tables for events with ids smaller than `before`.

    The inbox and the dead letters are read completely.
    """
    async with open_snapshot(url) as connection:
        outbox = {
            (event_id, type): digest
            async for event_id, type, digest in connection.cursor(
                "select event_id, type, sha256(body) from messaging.outbox where event_id < $1", before, prefetch=5000
            )
        }
        inbox = frozenset(
            {
                (subscription, event_id)
                async for subscription, event_id in connection.cursor(
                    "select subscription, event_id from messaging.inbox", prefetch=5000
                )
            }
        )
        return MessagingTables(
            outbox=outbox,
            pending=await connection.fetchval(
                "select count(*) from messaging.outbox_pending where event_id < $1", before
            ),
            inbox=inbox,
            scheduled=await _rows(connection, SCHEDULED, before),
            claims=await connection.fetchval("select count(*) from messaging.claims where event_id < $1", before),
            dead=await _rows(connection, DEAD),
            discarded=await _rows(connection, DISCARDED),
        )


async def read_events(databases: Mapping[str, str], keys: Collection[tuple[UUID, str]]) -> tuple[Unlogged, ...]:
    """Return these events, identified by id and type, from the outboxes, with the subscriptions that handled them."""
    ids = list({event_id for event_id, _ in keys})
    events: list[PublishedEvent] = []
    handled: dict[UUID, dict[tuple[str, str], datetime]] = defaultdict(dict)
    for service, url in databases.items():
        async with open_snapshot(url) as connection:
            for event_id, type, subject, at, cause, body in await connection.fetch(OUTBOX_EVENTS, ids):
                if (event_id, type) in keys:
                    digests = {hashlib.sha256(body).digest()}
                    events.append(PublishedEvent(event_id, type, service, subject, at, cause, body, digests))
            for event_id, subscription, at in await connection.fetch(HANDLED, ids):
                handled[event_id][service, subscription] = at
    return tuple([Unlogged(published, handled[published.id]) for published in events])


async def read_catalog(url: str) -> Catalog:
    """Read the products with their stock, and the orders' reservations."""
    async with open_snapshot(url) as connection:
        products = await _rows(connection, PRODUCTS)
        reservations = await _rows(connection, "select order_id::text, state, lines from reservations")
    return Catalog(_by(products, "product_id"), _by(reservations, "order_id"))


async def read_cart(url: str) -> Cart:
    """Read the cart's copies of products and of address ids, its checkouts, and the lines in carts."""
    async with open_snapshot(url) as connection:
        products = await _rows(connection, PRODUCT_COPIES)
        checkouts = await _rows(connection, "select order_id::text, customer_id, state, quantities from checkouts")
        lines = await _rows(connection, "select customer_id, product_id::text, quantity, in_checkout from lines")
        addresses = await _rows(connection, ADDRESSES)
    return Cart(_by(products, "product_id"), _by(checkouts, "order_id"), lines, _by(addresses, "customer_id"))


async def read_checkout(url: str) -> Checkout:
    """Read the orders, their journals, and checkout's copy of address ids."""
    async with open_snapshot(url) as connection:
        orders = await _rows(connection, ORDERS)
        journal: dict[str, list[Entry]] = defaultdict(list)
        async for order_id, *entry in connection.cursor(JOURNAL, prefetch=5000):
            journal[order_id].append(Entry(*entry))
        addresses = await _rows(connection, ADDRESSES)
    journals = {order_id: tuple(entries) for order_id, entries in journal.items()}
    return Checkout(_by(orders, "order_id"), journals, _by(addresses, "customer_id"))


async def read_delivery(url: str) -> Delivery:
    """Read the shipments, and the ids and revisions of addresses; not the addresses themselves."""
    async with open_snapshot(url) as connection:
        shipments = await _rows(connection, SHIPMENTS)
        addresses = await _rows(connection, ADDRESSES)
    return Delivery(_by(shipments, "order_id"), _by(addresses, "customer_id"))


async def read_notifications(url: str) -> dict[tuple[str, str], Row]:
    """Read the status of each notification, by what it is about and by kind."""
    async with open_snapshot(url) as connection:
        rows = await _rows(connection, MESSAGES)
    return {(row["about"], row["kind"]): row for row in rows}


async def read_webhooks(url: str, before: UUID) -> Webhooks:
    """Read the webhook endpoints, and their deliveries of events with ids smaller than `before`."""
    async with open_snapshot(url) as connection:
        endpoints = await _rows(connection, ENDPOINTS)
        return Webhooks(_by(endpoints, "endpoint_id"), await _rows(connection, DELIVERIES, before))


async def _rows(connection: asyncpg.Connection, query: str, *values: Any) -> tuple[dict[str, Any], ...]:
    return tuple([dict(row) for row in await connection.fetch(query, *values)])


def _by(rows: tuple[dict[str, Any], ...], column: str) -> dict[str, Row]:
    return {row[column]: row for row in rows}
