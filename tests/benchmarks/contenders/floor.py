"""The work written by hand with asyncpg and aiormq, in batches of 100, without a framework.

It does a runtime's durable work (inbox, outbox, confirms, acknowledgement after commit) and nothing else: no retry, no
dead letter, no reconnect, no order among aggregates, no relay after a crash.
"""

import asyncio
import json
import random
import signal
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID
from zlib import crc32

import aiormq
import asyncpg
import uvloop
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from uuid_utils.compat import uuid7

from tests.benchmarks.work import EVENT_OUT, EXCHANGE_OUT, QUEUE, SERVICE, SUBSCRIPTION, Assignment, Work

BATCH = 100
MAX_UNPUBLISHED_BATCHES = 2
"""Committed batches that may wait for the publisher."""

INBOX = """
insert into messaging.inbox (subscription, event_id, attempt)
select $1, event_id, 1 from unnest($2::uuid[]) as r (event_id) order by event_id
on conflict do nothing returning event_id
"""
INSERT = """
insert into orders (order_id, customer_id, cents, state, changes)
select order_id, customer_id, cents, 'placed', 0
from unnest($1::uuid[], $2::text[], $3::bigint[]) as r (order_id, customer_id, cents)
"""
LOAD = "select order_id, state, changes from orders where order_id = any($1::uuid[]) order by order_id for update"
UPDATE = """
update orders set state = r.state, changes = r.changes
from unnest($1::uuid[], $2::text[], $3::int[]) as r (order_id, state, changes) where orders.order_id = r.order_id
"""
OUTBOX = """
insert into messaging.outbox (event_id, type, subject, at, traceparent, causation_id, body)
select * from unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::uuid[], $7::bytea[])
"""
PENDING = """
insert into messaging.outbox_pending (event_id, type, bucket)
select * from unnest($1::uuid[], $2::text[], $3::smallint[]) returning seq
"""
CONFIRMED = "delete from messaging.outbox_pending where seq = any($1::bigint[])"


@dataclass(slots=True)
class Outgoing:
    id: UUID
    subject: str
    at: datetime
    traceparent: str
    cause: UUID
    body: bytes


class Floor:
    def __init__(self, given: Assignment) -> None:
        self._given = given
        self._waiting: deque[DeliveredMessage] = deque()
        self._arrived = asyncio.Event()
        self._committed: asyncio.Queue[tuple[list[int], list[Outgoing]]] = asyncio.Queue(MAX_UNPUBLISHED_BATCHES)

    async def run(self) -> None:
        consuming, publishing = (
            await aiormq.connect(self._given.broker_url),
            await aiormq.connect(self._given.broker_url),
        )
        incoming = await consuming.channel(publisher_confirms=False)
        outgoing = await publishing.channel(publisher_confirms=True)
        state, pending = (
            await asyncpg.connect(self._given.database_url),
            await asyncpg.connect(self._given.database_url),
        )
        await pending.execute("set synchronous_commit = off")  # a lost deletion only repeats a publication
        await incoming.basic_qos(prefetch_count=self._given.prefetch)
        await incoming.basic_consume(QUEUE, self._receive)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._handle(incoming, state))
            tasks.create_task(self._publish(outgoing, pending))

    async def _receive(self, message: DeliveredMessage) -> None:
        self._waiting.append(message)
        self._arrived.set()

    async def _handle(self, channel: Any, connection: asyncpg.Connection) -> None:
        while True:
            await self._arrived.wait()
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            if not self._waiting:
                self._arrived.clear()
            async with connection.transaction():
                seqs, outgoing = await self._apply(connection, batch)
            await channel.basic_ack(batch[-1].delivery_tag, multiple=True, wait=False)
            await self._committed.put((seqs, outgoing))

    async def _apply(
        self, connection: asyncpg.Connection, batch: Sequence[DeliveredMessage]
    ) -> tuple[list[int], list[Outgoing]]:
        by_id = {UUID(_headers(each)["cloudEvents_id"]): each for each in batch}
        fresh = [row[0] for row in await connection.fetch(INBOX, SUBSCRIPTION, list(by_id))]
        events = [json.loads(by_id[id].body) for id in fresh]
        if self._given.work is Work.INSERT:
            await connection.execute(
                INSERT,
                [UUID(each["order_id"]) for each in events],
                [each["customer_id"] for each in events],
                [each["total"]["amount"] for each in events],
            )
        else:
            rows = await connection.fetch(LOAD, [UUID(each["order_id"]) for each in events])
            await connection.execute(
                UPDATE, [row[0] for row in rows], ["placed" for _ in rows], [row[2] + 1 for row in rows]
            )
        outgoing = [_outgoing(id, _headers(by_id[id]), event) for id, event in zip(fresh, events, strict=True)]
        ids, types = [each.id for each in outgoing], [EVENT_OUT for _ in outgoing]
        await connection.execute(
            OUTBOX,
            ids,
            types,
            [each.subject for each in outgoing],
            [each.at for each in outgoing],
            [each.traceparent for each in outgoing],
            [each.cause for each in outgoing],
            [each.body for each in outgoing],
        )
        buckets = [crc32(each.subject.encode()) % 16 for each in outgoing]
        seqs = [row[0] for row in await connection.fetch(PENDING, ids, types, buckets)]
        return seqs, outgoing

    async def _publish(self, channel: Any, connection: asyncpg.Connection) -> None:
        while True:
            seqs, outgoing = await self._committed.get()
            await asyncio.gather(
                *(
                    channel.basic_publish(
                        each.body,
                        exchange=EXCHANGE_OUT,
                        routing_key=EVENT_OUT,
                        properties=_properties(each),
                        wait=False,
                    )
                    for each in outgoing
                )
            )
            await connection.execute(CONFIRMED, seqs)


def _headers(message: DeliveredMessage) -> dict[str, Any]:
    return cast("dict[str, Any]", message.header.properties.headers)


def _outgoing(cause: UUID, headers: dict[str, str], event: dict[str, Any]) -> Outgoing:
    return Outgoing(
        id=uuid7(),
        subject=event["order_id"],
        at=datetime.now(UTC),
        traceparent=f"{headers['cloudEvents_traceparent'][:36]}{random.getrandbits(64):016x}-01",
        cause=cause,
        body=json.dumps(event, separators=(",", ":")).encode(),
    )


def _properties(event: Outgoing) -> Basic.Properties:
    return Basic.Properties(
        content_type="application/json",
        delivery_mode=2,
        message_id=str(uuid7()),
        user_id=SERVICE,
        headers={
            "cloudEvents_specversion": "1.0",
            "cloudEvents_id": str(event.id),
            "cloudEvents_type": EVENT_OUT,
            "cloudEvents_source": SERVICE,
            "cloudEvents_subject": event.subject,
            "cloudEvents_time": event.at.isoformat(),
            "cloudEvents_traceparent": event.traceparent,
            "cloudEvents_causationid": str(event.cause),
        },
    )


async def main(given: Assignment) -> None:
    running = asyncio.create_task(Floor(given).run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    await asyncio.wait({running})


if __name__ == "__main__":
    uvloop.run(main(Assignment.given()))
