"""What surrounds the process that is killed: events for it, a queue that hears it, and what must be true after."""

import multiprocessing
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.context import ForkServerProcess
from uuid import UUID

import aio_pika
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel

from contracts import Envelope, Event
from contracts.cart import CartAbandonedV1
from infra.messaging.connection import open_channel
from infra.messaging.wire import PREFIX, properties_of
from infra.storage import new_id
from infra.telemetry import new_traceparent
from tests.integration.messaging.crash import child
from tests.integration.messaging.crash.service import table
from tests.integration.messaging.crash.steps import Kinds, When
from tests.integration.messaging.toy import PASSWORDS, Toy, a_checkout, empty, until

CRASH_WITHIN_S = 20.0
SETTLE_WITHIN_S = 15.0
PROBE = "crash.probe"
QUEUES = ("checkout.carts", "checkout.dead")

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload([child.__name__])
"""Children are forked from a process that has imported everything: they start in milliseconds."""


@dataclass
class World:
    """One case after another in the same databases and queues, each with events of its own."""

    toy: Toy
    channel: Channel
    """For publishing as `cart`."""
    admin: Channel
    said: list[tuple[UUID, str]] = field(default_factory=list)
    """What reached the broker from the service: event id and aggregate, once per copy."""
    events: dict[str, list[UUID]] = field(default_factory=dict)
    """What the case is about, by kind: ids of orders, or of what an outside call is about."""

    async def publish(self, kinds: Kinds) -> None:
        """Put events into the queue before anybody consumes it."""
        self.said.clear()
        self.events = {kind: [new_id() for _ in range(number)] for kind, number in kinds.items()}
        for kind, ids in self.events.items():
            for id in ids:
                await self.deliver(_event(kind, id))

    async def deliver(self, event: Event) -> None:
        now = datetime.now(UTC)
        envelope = Envelope(new_id(), event.type, "cart", event.subject, now, new_traceparent())
        await self.channel.basic_publish(
            event.model_dump_json().encode(),
            exchange="cart.events",
            routing_key=event.type,
            properties=properties_of(envelope, user="cart"),
        )

    def start(self, point: str | None = None, when: When = "before", nth: int = 1) -> ForkServerProcess:
        orders = child.Orders(
            self.toy.urls["checkout"].app,
            self.toy.broker.urls.amqp_of("checkout", PASSWORDS["checkout"]),
            point,
            when,
            nth,
        )
        process = processes.Process(target=child.main, args=(orders,), daemon=True)
        process.start()
        return process

    async def until_killed(self, process: ForkServerProcess) -> None:
        """Wait for the end that the process was told to give itself."""
        try:
            await until(lambda: _has_ended(process), CRASH_WITHIN_S)
        finally:
            process.kill()
        assert process.exitcode == -signal.SIGKILL

    async def until_settled(self, process: ForkServerProcess, within_s: float = SETTLE_WITHIN_S) -> None:
        """Wait until everything had its effect and nothing is left to do, then end `process` gracefully."""
        try:
            await until(self._settled, within_s)
            process.terminate()
            await until(lambda: _has_ended(process), CRASH_WITHIN_S)
        finally:
            process.kill()
        assert process.exitcode == 0
        await until(self._heard_everything, SETTLE_WITHIN_S)
        assert await self._queued() == 0, "everything was acknowledged"

    async def check(self, repetitions: int = 1) -> None:
        """Every event had its effect exactly once; every outgoing one was published under one id.

        Only a call itself, and what prepares it, may happen again: once for each crash.
        """
        placed = [*self.events.get("plain", []), *self.events.get("shaky", [])]
        called = self.events.get("called", [])
        effects = Counter(await self.toy.effects())
        once = {
            **{(id, what): 1 for id in placed for what in ("placed", "due")},
            **{(id, "answered yes"): 1 for id in called},
        }
        again = {(id, what) for id in called for what in ("prepared", "asked")}
        assert {each: effects[each] for each in once} == once
        assert set(effects) == set(once) | again
        assert all(effects[each] <= 1 + repetitions for each in again)
        outbox = await self.toy.rows("select event_id, subject from messaging.outbox")
        assert sorted(subject for _, subject in outbox) == sorted(map(str, placed))
        assert set(self.said) == {tuple(row) for row in outbox}
        dead = await self.toy.rows("select type, reason, body from messaging.dead_letters")
        assert len(dead) == len(self.events.get("doomed", []))
        assert {reason for _, reason, _ in dead} <= {"rejected"}
        for left in ("outbox_pending", "scheduled", "claims"):
            assert await self.toy.rows(f"select count(*) from messaging.{left}") == [(0,)], left

    async def _settled(self) -> bool:
        placed = len(self.events.get("plain", [])) + len(self.events.get("shaky", []))
        [(effects, *others)] = await self.toy.rows(
            "select (select count(*) from effects where what in ('placed', 'due', 'answered yes')),"
            " (select count(*) from messaging.dead_letters), (select count(*) from messaging.outbox_pending),"
            " (select count(*) from messaging.scheduled), (select count(*) from messaging.claims)"
        )
        wanted = 2 * placed + len(self.events.get("called", []))
        settled: bool = effects >= wanted and others == [len(self.events.get("doomed", [])), 0, 0, 0]
        return settled and await self._queued() == 0

    async def _queued(self) -> int:
        found = [await self.admin.queue_declare(name, passive=True) for name in QUEUES]
        return sum(each.message_count or 0 for each in found)

    async def _heard_everything(self) -> bool:
        [(published,)] = await self.toy.rows("select count(*) from messaging.outbox")
        return len(set(self.said)) >= published


def _event(kind: str, id: UUID) -> Event:
    if kind == "called":
        return CartAbandonedV1(customer_id="ada", product_ids=[id])
    return a_checkout(id).model_copy(update={"customer_id": kind})


async def _has_ended(process: ForkServerProcess) -> bool:
    return process.exitcode is not None


@asynccontextmanager
async def crash_world(toy: Toy) -> AsyncIterator[World]:
    """Queues and a listener for all cases of a module."""
    await toy.declare([table()])
    toy.checkout_database([table()])
    connection = await aio_pika.connect(toy.broker.urls.amqp_of("cart", PASSWORDS["cart"]))
    listening = await aio_pika.connect(toy.broker.urls.amqp)
    async with connection, listening:
        ears = await open_channel(listening, confirms=False)
        world = World(toy, await open_channel(connection, confirms=True), ears)

        async def hear(message: DeliveredMessage) -> None:
            headers = message.header.properties.headers or {}
            world.said.append((UUID(str(headers[PREFIX + "id"])), str(headers[PREFIX + "subject"])))

        await ears.queue_declare(PROBE, exclusive=True)
        await ears.queue_bind(PROBE, "checkout.events", "#")
        await ears.basic_consume(PROBE, hear, no_ack=True)
        yield world


async def forget(world: World) -> None:
    """Leave nothing of a failed case to the next."""
    await empty(world.toy.urls["checkout"])
    for queue in QUEUES:
        await world.admin.queue_purge(queue)
