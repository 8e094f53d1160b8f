"""The work with FastStream and SQLAlchemy, one transaction per message, with an outbox relay beside it.

Written as their documentation recommends: a typed subscriber, `session.begin()` around the handler, acknowledgement
after it. The relay publishes committed events, 100 at a time, woken by each commit.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated
from uuid import UUID

import uvloop
from faststream import AckPolicy, FastStream, Header
from faststream.rabbit import Channel, RabbitBroker, RabbitExchange, RabbitQueue
from pydantic import BaseModel
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from uuid_utils.compat import uuid7

from tests.benchmarks.contenders.tables import Inbox, Order, Outbox, Pending, headers_of, outgoing
from tests.benchmarks.work import EVENT_OUT, EXCHANGE_OUT, QUEUE, SERVICE, SUBSCRIPTION, Assignment

RELAY_BATCH = 100
POLL_S = 0.5

given = Assignment.given()
engine = create_async_engine(
    make_url(given.database_url).set(drivername="postgresql+asyncpg"), pool_size=given.prefetch + 1, max_overflow=0
)
sessions = async_sessionmaker(engine, expire_on_commit=False)
broker = RabbitBroker(given.broker_url, default_channel=Channel(prefetch_count=given.prefetch), logger=None)
exchange = RabbitExchange(EXCHANGE_OUT, declare=False)
committed = asyncio.Event()


class Money(BaseModel):
    amount: int
    currency: str


class Line(BaseModel):
    product_id: UUID
    quantity: int
    unit_price: Money


class Checkout(BaseModel):
    order_id: UUID
    customer_id: str
    lines: list[Line]
    total: Money


@broker.subscriber(RabbitQueue(QUEUE, declare=False), ack_policy=AckPolicy.NACK_ON_ERROR)
async def place(
    event: Checkout,
    event_id: Annotated[UUID, Header("cloudEvents_id")],
    traceparent: Annotated[str, Header("cloudEvents_traceparent")],
) -> None:
    async with sessions.begin() as session:
        claim = insert(Inbox).values(subscription=SUBSCRIPTION, event_id=event_id, attempt=1)
        if await session.scalar(claim.on_conflict_do_nothing().returning(Inbox.event_id)) is None:
            return
        session.add(
            Order(
                order_id=event.order_id,
                customer_id=event.customer_id,
                cents=event.total.amount,
                state="placed",
                changes=0,
            )
        )
        session.add_all(outgoing(str(event.order_id), event.model_dump_json().encode(), event_id, traceparent))
    committed.set()


async def relay() -> None:
    while True:
        committed.clear()
        async with sessions.begin() as session:
            waiting = (
                select(Pending.seq, Outbox)
                .join(Outbox, (Outbox.event_id == Pending.event_id) & (Outbox.type == Pending.type))
                .order_by(Pending.seq)
                .limit(RELAY_BATCH)
                .with_for_update(of=Pending, skip_locked=True)
            )
            rows = (await session.execute(waiting)).all()
            await asyncio.gather(*(publish(event) for _, event in rows))
            await session.execute(delete(Pending).where(Pending.seq.in_([seq for seq, _ in rows])))
        if len(rows) < RELAY_BATCH:
            with suppress(TimeoutError):
                await asyncio.wait_for(committed.wait(), POLL_S)


async def publish(event: Outbox) -> None:
    await broker.publish(
        event.body,
        exchange=exchange,
        routing_key=EVENT_OUT,
        headers=headers_of(event),
        content_type="application/json",
        message_id=str(uuid7()),
        user_id=SERVICE,
        persist=True,
        mandatory=False,
    )


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    await broker.connect()
    relaying = asyncio.create_task(relay())
    yield
    relaying.cancel()
    await engine.dispose()


app = FastStream(broker, lifespan=lifespan, logger=None)

if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    uvloop.run(app.run())
