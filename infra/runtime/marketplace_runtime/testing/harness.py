"""Runs one service's messaging with a real broker and a real database. Tests can inspect, crash and restart it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import Any
from uuid import UUID

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

from marketplace_runtime.amqp import keep_connected, open_channel, properties_of
from marketplace_runtime.consumer import Subscription
from marketplace_runtime.database import Database, Transaction, is_conflict, new_id
from marketplace_runtime.events import Envelope, Event, Naming
from marketplace_runtime.service import Messaging, Service
from marketplace_runtime.telemetry import new_traceparent
from marketplace_runtime.testing.servers import Servers

READY_TIMEOUT_S, SETTLED_TIMEOUT_S = 30.0, 60.0
"""Maximum time until a started service consumes, and until its work is done."""
KEPT_TABLES = {"alembic_version", "probe"}
"""Tables that `empty` does not clear and `tables` does not return."""

TABLES = """
select table_schema, table_name from information_schema.tables
where table_schema in ('public', $1) and table_type = 'BASE TABLE'
    and table_name !~ '_[0-9]{8}$' order by 1, 2
"""
"""Selects the service's own tables, and those of the schema `$1`, without partitions."""

UNSETTLED = """
select (select count(*) from messaging.outbox_pending) + (select count(*) from messaging.claims)
    + (select count(*) from messaging.scheduled
        where why <> 'deadline' or due < now() + interval '1 second' or holder is not null)
    + (select count(*) from messaging.outbox o
        join unnest($1::text[], $2::text[]) as h (subscription, type) using (type)
        where (h.subscription, o.event_id) not in (select subscription, event_id from messaging.inbox)
            and not exists (select from messaging.dead_letters d where d.event_id = o.event_id))
"""


class ServiceHarness:
    """Runs the service in this process. `start` and `crash` can be called repeatedly; committed data stays."""

    def __init__(self, service: Service, servers: Servers, *, owner_url: str, app_url: str) -> None:
        self.service = service
        self.messaging: Messaging | None = None
        self._servers, self._owner_url, self._app_url = servers, owner_url, app_url
        self._database = self._open_database()
        self._running: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()

    async def start(self, subscriptions: Sequence[Subscription] | None = None) -> Messaging:
        """Run the service, with other subscriptions of the same names if given, and return when it consumes.

        It receives what is published from then on. It does not replay the log stream, which contains the events of
        earlier runs on the harness. Raises TimeoutError if it does not consume within 30 s.
        """
        await self._database.close()
        self._database, self._stop = self._open_database(), asyncio.Event()
        messaging = self.messaging = Messaging(
            service=self.service.name,
            subscriptions=[
                replace(each, history=None)
                for each in (self.service.subscriptions if subscriptions is None else subscriptions)
            ],
            database=self._database,
            broker_url=self._servers.amqp_of(self.service.name),
            clients=None,
        )
        running = self._running = asyncio.create_task(messaging.run(self._stop))

        async def ready() -> bool:
            return running.done() or set(messaging.health().values()) == {"ok"}

        await until(ready, READY_TIMEOUT_S)
        return messaging

    async def crash(self) -> None:
        """End the service at once: transactions roll back, and the broker gets no acknowledgements."""
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running
            self._running = None
        await self._database.close()

    async def stop(self) -> None:
        """End the service gracefully."""
        self._stop.set()
        if self._running is not None:
            await self._running
            self._running = None
        await self._database.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Run the block in a transaction of the service's database, to insert or inspect rows."""
        async with self._database.transaction() as tx:
            yield tx

    async def publish(self, event: Event, id: UUID | None = None) -> UUID:
        """Publish an event as its publisher would. Returns its id."""
        id = id or new_id()
        await self.publish_all([(id, event)])
        return id

    async def publish_all(self, events: Sequence[tuple[UUID, Event]]) -> None:
        """Publish events in order, each with its id and as its publisher would."""
        for publisher, several in groupby(events, lambda each: each[1].publisher):
            url = self._servers.amqp_of(publisher)
            await keep_connected(
                url, f"{publisher}, played by a test", partial(_publish, self.service.naming, list(several))
            )

    async def put(self, queue: str, body: bytes, properties: dict[str, Any]) -> None:
        """Put an arbitrary message into a queue, bypassing every check."""
        sent = {"routing_key": queue, "payload": body.decode(), "payload_encoding": "string", "properties": properties}
        await self._servers.manage("POST", "exchanges/%2F/amq.default/publish", sent)

    async def wait_until_settled(self) -> None:
        """Wait until the service has published and received its own events, and has nothing to retry.

        Deadlines that are due later may remain. Raises TimeoutError after 60 s.
        """
        awaited = [(each.name, type) for each in self.service.subscriptions for type in each.types]
        names, types = [name for name, _ in awaited], [type for _, type in awaited]

        async def done() -> bool:
            return await self.count(UNSETTLED, names, types) == 0

        await until(done, SETTLED_TIMEOUT_S)

    async def count(self, statement: str, *values: Any) -> int:
        """Return the one number that a statement selects."""
        async with self._database.transaction() as tx:
            [(number,)] = await tx.execute(statement, *values)
        return int(number)

    async def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Return every row of the service's own tables, by table."""
        async with self._database.transaction() as tx:
            names = [
                name
                for schema, name in await tx.execute(TABLES, "public")
                if schema == "public" and name not in KEPT_TABLES
            ]
            return {
                name: [json.loads(row) for (row,) in await tx.execute(f"select to_jsonb(t)::text from {name} t")]  # noqa: S608 - a table's own name
                for name in names
            }

    async def published(self) -> list[tuple[str, dict[str, Any]]]:
        """Return type and body of every event that the service published, in order."""
        async with self._database.transaction() as tx:
            rows = await tx.execute("select type, body from messaging.outbox order by event_id")
        return [(type, json.loads(body)) for type, body in rows]

    async def dead_letters(self) -> list[tuple[str, str]]:
        """Return subscription and reason of every dead letter."""
        async with self._database.transaction() as tx:
            rows = await tx.execute("select subscription, reason from messaging.dead_letters order by id")
        return [(subscription, reason) for subscription, reason in rows]

    async def empty(self) -> None:
        """Delete all rows of the service.

        Makes up to 5 attempts if it conflicts with a transaction of a crashed run.
        """
        owner = Database(self._owner_url, source="harness", naming=self.service.naming)
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(is_conflict), stop=stop_after_attempt(5), reraise=True
        ):
            with attempt:
                await self._empty(owner)
        await owner.close()

    async def _empty(self, owner: Database) -> None:
        async with owner.transaction() as tx:
            messaging_schema = self.service.naming.database_schema
            found = [
                (schema, f'"{schema}"."{name}"')
                for schema, name in await tx.execute(TABLES, messaging_schema)
                if name not in KEPT_TABLES
            ]
            if service_tables := [name for schema, name in found if schema == "public"]:
                await tx.execute(f"truncate {', '.join(service_tables)}")
            for name in [name for schema, name in found if schema != "public"]:
                await tx.execute(f"lock table {name}")
                await tx.execute(f"delete from {name}")  # noqa: S608 - a table's own name; partitions truncate slowly

    def _open_database(self) -> Database:
        return Database(
            self._app_url,
            source=self.service.name,
            naming=self.service.naming,
            internal_subscriptions=self.service.internal_subscriptions,
        )


async def until(condition: Callable[[], Awaitable[bool]], within_s: float = 30) -> None:
    """Poll `condition`, which queries a server, until it is true. Raises TimeoutError after `within_s` seconds."""
    async with asyncio.timeout(within_s):
        while not await condition():  # noqa: ASYNC110 - the condition changes in a server
            await asyncio.sleep(0.02)


async def _publish(naming: Naming, events: Sequence[tuple[UUID, Event]], connection: Any) -> None:
    channel = await open_channel(connection, confirms=True)
    for id, event in events:
        now = datetime.now(UTC)
        envelope = Envelope(id, event.type, event.publisher, event.subject, now, new_traceparent())
        await channel.basic_publish(
            event.model_dump_json(exclude_none=True).encode(),
            exchange=naming.exchange(event.publisher),
            routing_key=event.type,
            properties=properties_of(envelope, user=event.publisher),
        )
