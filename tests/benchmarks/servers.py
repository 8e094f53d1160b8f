"""Starts the servers for a benchmark run: a broker and a PostgreSQL server, emptied before each contender's turn."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import aiormq
import asyncpg
from aiormq.abc import AbstractChannel
from aiormq.channel import Channel
from pamqp.commands import Basic

from contracts.naming import MARKETPLACE
from infra.stack import DatabaseUrls, PrivatePostgres, private_broker, private_postgres
from infra.stack.broker import BrokerUrls
from marketplace_runtime.database import migrate
from marketplace_runtime.topology import Wiring, apply, definitions
from tests.benchmarks.work import EVENT_IN, EVENT_OUT, EXCHANGE_IN, MIGRATIONS, OUTGOING, QUEUE, SERVICE, Message

PASSWORDS = {"cart": "cart-secret", "checkout": "checkout-secret", "catalog": "catalog-secret"}
WIRINGS = [Wiring("cart", {}), Wiring("checkout", {"carts": [EVENT_IN]}), Wiring("catalog", {"orders": [EVENT_OUT]})]
IN_FLIGHT = 500

EMPTY = """
truncate orders, messaging.inbox, messaging.outbox, messaging.outbox_pending, messaging.scheduled,
    messaging.claims, messaging.dead_letters, messaging.history
"""
ROWS = """
select (select count(*) from messaging.inbox), (select count(*) from messaging.outbox),
    (select count(*) from messaging.outbox_pending),
    (select count(*) from messaging.scheduled) + (select count(*) from messaging.dead_letters)
"""


@dataclass(frozen=True)
class Rows:
    """The numbers of rows in the database after a turn."""

    handled: int
    published: int
    unpublished: int
    failed: int


@dataclass
class Servers:
    broker: BrokerUrls
    postgres: PrivatePostgres
    database: DatabaseUrls
    sql: asyncpg.Connection
    channel: Channel
    """A channel of the user `cart`, which publishes the waiting events."""
    admin: AbstractChannel
    directory: Path

    async def reset(self) -> None:
        """Delete all rows and messages, and update the database's statistics."""
        await self.sql.execute(EMPTY)
        await self.settle()

    async def forget_history(self) -> None:
        """Empty the log stream."""
        await self.admin.queue_delete(MARKETPLACE.log_stream)
        await apply.declare(self.broker.management, definitions(WIRINGS, PASSWORDS, MARKETPLACE))

    async def settle(self) -> None:
        """Delete all messages, and finish the database's pending maintenance."""
        for queue in (QUEUE, OUTGOING):
            await self.admin.queue_purge(queue)
        await self.sql.execute("vacuum analyze", timeout=600)
        await self.sql.execute("checkpoint", timeout=600)

    @asynccontextmanager
    async def with_database(self, name: str) -> AsyncIterator["Servers"]:
        """Yield the same servers with another, empty database for the contender."""
        async with _database(self.postgres, name) as (database, sql):
            yield replace(self, database=database, sql=sql)

    async def add_orders(self, ids: Sequence[UUID]) -> None:
        await self.sql.execute(
            "insert into orders select id, 'ada', 3998, 'new', 0 from unnest($1::uuid[]) as r (id)", ids
        )
        await self.sql.execute("vacuum analyze orders")

    async def send(self, messages: Sequence[Message], *, routing_key: str = EVENT_IN) -> None:
        """Publish `messages` to the contender's queue, and wait for the broker's confirms."""
        for first in range(0, len(messages), IN_FLIGHT):
            await asyncio.gather(
                *(
                    self.channel.basic_publish(
                        each.body, exchange=EXCHANGE_IN, routing_key=routing_key, properties=each.properties, wait=False
                    )
                    for each in messages[first : first + IN_FLIGHT]
                )
            )

    async def depth(self, queue: str) -> int:
        """Return the number of messages ready in `queue`."""
        return (await self.admin.queue_declare(queue, passive=True)).message_count or 0

    async def until_consumed_by(self, consumers: int) -> None:
        """Wait until the contender's queue has so many consumers."""
        async with asyncio.timeout(30):
            while (await self.admin.queue_declare(QUEUE, passive=True)).consumer_count != consumers:
                await asyncio.sleep(0.05)

    async def rows(self) -> Rows:
        return Rows(*(await self.sql.fetchrow(ROWS)))


@asynccontextmanager
async def start_servers() -> AsyncIterator[Servers]:
    """Start servers with the database and queues of `checkout`, and stop them afterwards."""
    async with private_broker() as broker, private_postgres() as postgres:
        await apply.declare(broker.urls.management, definitions(WIRINGS, PASSWORDS, MARKETPLACE))
        cart = await aiormq.connect(broker.urls.amqp_of("cart", PASSWORDS["cart"]))
        administering = await aiormq.connect(broker.urls.amqp)
        publishing = await cart.channel()
        assert isinstance(publishing, Channel)
        try:
            with tempfile.TemporaryDirectory(prefix="marketplace-bench-") as directory:
                async with _database(postgres, SERVICE) as (database, sql):
                    yield Servers(
                        broker=broker.urls,
                        postgres=postgres,
                        database=database,
                        sql=sql,
                        channel=publishing,
                        admin=await administering.channel(publisher_confirms=False),
                        directory=Path(directory),
                    )
        finally:
            await cart.close()
            await administering.close()


@asynccontextmanager
async def _database(postgres: PrivatePostgres, name: str) -> AsyncIterator[tuple[DatabaseUrls, asyncpg.Connection]]:
    database = await postgres.create_database(name)
    await migrate(database.owner, app_url=database.app, migrations=MIGRATIONS)
    sql = await asyncpg.connect(database.superuser)
    try:
        yield database, sql
    finally:
        await sql.close()


def as_celery_task(message: Message, task: str) -> Message:
    """Return the same event as a message of Celery's protocol, version 2."""
    headers = dict(message.properties.headers or {})
    id = headers["cloudEvents_id"]
    body = json.dumps([[json.loads(message.body)], {}, {"callbacks": None, "errbacks": None, "chain": None}])
    properties = Basic.Properties(
        content_type="application/json",
        content_encoding="utf-8",
        delivery_mode=2,
        message_id=message.properties.message_id,
        correlation_id=str(id),
        user_id=message.properties.user_id,
        headers=headers | {"lang": "py", "task": task, "id": id, "root_id": id, "retries": 0},
    )
    return Message(body.encode(), properties)
