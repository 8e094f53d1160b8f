"""The environment of the killed process: its events, a queue for what it publishes, and the final checks."""

import asyncio
import json
import multiprocessing
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from multiprocessing.context import ForkServerProcess
from uuid import UUID

import aio_pika
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp.commands import Queue

from contracts import Envelope, Event
from contracts.cart import CartAbandonedV1
from marketplace_runtime.amqp import CLOUDEVENTS_PREFIX, open_channel, properties_of
from marketplace_runtime.consumer import SUSPECT_AFTER_DEATHS
from marketplace_runtime.consumer.quarantine import MAX_RUNS_ALONE
from marketplace_runtime.database import new_id
from marketplace_runtime.telemetry import new_traceparent
from tests.integration.messaging.crash import child
from tests.integration.messaging.crash.service import marked, table
from tests.integration.messaging.crash.steps import POINTS, Kinds, When
from tests.integration.messaging.toy import PASSWORDS, Toy, a_checkout, empty, until

CRASH_WITHIN_S = 20.0
SETTLE_WITHIN_S = 15.0
MAX_DEATHS = 2 * (SUSPECT_AFTER_DEATHS + MAX_RUNS_ALONE)
PROBE = "crash.probe"
QUEUES = ("checkout.carts", "checkout.dead")

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload([child.__name__])
"""Children are forked from a process that has imported everything: they start in milliseconds."""


@dataclass
class World:
    """Runs one case after another in the same databases and queues, each with its own events."""

    toy: Toy
    channel: Channel
    """The channel that publishes as `cart`."""
    admin: Channel
    published_events: list[tuple[UUID, str]] = field(default_factory=list)
    """Event id and aggregate of each message that the service published, once per copy."""
    events: dict[str, list[UUID]] = field(default_factory=dict)
    """The case's ids by kind: ids of orders, or of the subjects of external calls."""
    deaths: int = 0
    change: child.Change | None = None
    """A change of the code of every started process."""
    lost_after_s: float = SETTLE_WITHIN_S
    """A missing effect counts as lost after nothing has been pending for this long."""

    async def crash_and_recover(self, point: str, when: When) -> None:
        """Kill the process at `point`, let the next one finish, and check the result."""
        await self.publish(POINTS[point].events)
        await self.until_killed(self.start(point, when))
        await self.until_settled(self.start())
        await self.check()

    async def publish(self, kinds: Kinds) -> None:
        """Publish events before a consumer starts."""
        self.published_events.clear()
        self.deaths = 0
        self.events = {kind: [_an_id(kind) for _ in range(number)] for kind, number in kinds.items()}
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
        process = processes.Process(target=child.main, args=(orders, self.change), daemon=True)
        process.start()
        return process

    async def until_it_stays_alive(self) -> ForkServerProcess:
        """Restart the service until it survives, as a supervisor does, up to `MAX_DEATHS` times."""
        for _ in range(MAX_DEATHS):
            process = self.start()
            await until(partial(self._ended_or_settled, process), SETTLE_WITHIN_S)
            if process.exitcode is None:
                return process
            assert process.exitcode == -signal.SIGKILL
            self.deaths += 1
        raise AssertionError(f"it died {MAX_DEATHS} times")

    async def until_killed(self, process: ForkServerProcess) -> None:
        """Wait until the process has killed itself."""
        try:
            await until(lambda: _has_ended(process), CRASH_WITHIN_S)
        finally:
            process.kill()
        assert process.exitcode == -signal.SIGKILL

    async def until_settled(self, process: ForkServerProcess, within_s: float = SETTLE_WITHIN_S) -> None:
        """Wait until every event has its effect and nothing is pending, then end `process` gracefully.

        Asserts that it exits with 0 and that its queue is empty. If effects are missing after the timeout, `check`
        reports what is wrong.
        """
        try:
            with suppress(TimeoutError):
                await until(self._settled_or_lost(), within_s)
            process.terminate()
            await until(lambda: _has_ended(process), CRASH_WITHIN_S)
        finally:
            process.kill()
        assert process.exitcode == 0, "the process did not end gracefully"
        with suppress(TimeoutError):
            await until(self._received_everything, self.lost_after_s)
        assert await self._queued() == 0, "messages were not acknowledged"

    async def check(self, repetitions: int = 1) -> None:
        """Assert that every event had its effect once, and that each published event has one id.

        Only external calls and their preparation may be repeated: once for each crash.
        """
        placed, due, called, given_up = self._wanted()
        effects = Counter(await self.toy.effects())
        once = {
            **{(id, "placed"): 1 for id in placed},
            **{(id, "due"): 1 for id in due},
            **{(id, "answered yes"): 1 for id in called},
        }
        again = {(id, what) for id in called for what in ("prepared", "asked")}
        again |= {(id, "prepared") for id in self.events.get("poison call", [])}
        assert {each: effects[each] for each in once} == once, "each effect happened exactly once"
        assert set(effects) == set(once) | again, "there are no other effects, and every call was made"
        assert all(effects[each] <= 1 + repetitions for each in again), "no call is repeated without a crash"
        outbox = await self.toy.rows("select event_id, subject from messaging.outbox")
        assert sorted(subject for _, subject in outbox) == sorted(map(str, placed)), (
            "each placed order has one event in the outbox"
        )
        assert set(self.published_events) == {tuple(row) for row in outbox}, (
            "exactly the events in the outbox were published"
        )
        dead = await self.toy.rows("select body, reason from messaging.dead_letters")
        assert {_about(body): reason for body, reason in dead} == given_up, "each message given up is a dead letter"
        assert len(dead) == len(given_up), "each message given up is a dead letter only once"
        for left in ("outbox_pending", "scheduled", "claims", "suspects"):
            assert await self.toy.rows(f"select count(*) from messaging.{left}") == [(0,)], left

    async def _ended_or_settled(self, process: ForkServerProcess) -> bool:
        return process.exitcode is not None or await self._settled()

    async def _settled(self) -> bool:
        [(effects, dead)] = await self.toy.rows(
            "select (select count(*) from effects where what in ('placed', 'due', 'answered yes')),"
            " (select count(*) from messaging.dead_letters)"
        )
        placed, due, called, given_up = self._wanted()
        wanted = len(placed) + len(due) + len(called)
        return bool(effects >= wanted) and dead == len(given_up) and await self._nothing_waits()

    async def _nothing_waits(self) -> bool:
        """Return whether queues and tables are empty; a process may still be handling a message."""
        [waiting] = await self.toy.rows(
            "select (select count(*) from messaging.outbox_pending),"
            " (select count(*) from messaging.scheduled), (select count(*) from messaging.claims)"
        )
        return not any(waiting) and await self._queued() == 0

    async def _is_consumed(self) -> bool:
        return bool((await self._counted(QUEUES[0])).consumer_count)

    def _settled_or_lost(self) -> Callable[[], Awaitable[bool]]:
        clock = asyncio.get_running_loop().time
        waited_at = clock()

        async def is_settled() -> bool:
            nonlocal waited_at
            if not (await self._is_consumed() and await self._nothing_waits()):
                waited_at = clock()
            return clock() - waited_at > self.lost_after_s or await self._settled()

        return is_settled

    def _wanted(self) -> tuple[list[UUID], list[UUID], list[UUID], dict[UUID, str]]:
        """Return the ids to be placed, to become due and to be called, and those to be given up with their reason."""
        due = [*self.events.get("plain", []), *self.events.get("shaky", [])]
        placed = [*due, *self.events.get("poison deadline", [])]
        given_up = dict.fromkeys(self.events.get("doomed", []), "rejected")
        for kind in ("poison", "poison deadline", "poison call"):
            given_up |= dict.fromkeys(self.events.get(kind, []), "poison")
        return placed, due, self.events.get("called", []), given_up

    async def _queued(self) -> int:
        found = [await self._counted(name) for name in QUEUES]
        return sum(each.message_count or 0 for each in found)

    async def _counted(self, queue: str) -> Queue.DeclareOk:
        """Count, shielded from cancellation: a cancelled call closes the channel, which also receives events."""
        return await asyncio.shield(self.admin.queue_declare(queue, passive=True))

    async def _received_everything(self) -> bool:
        [(published,)] = await self.toy.rows("select count(*) from messaging.outbox")
        received = len(set(self.published_events))
        return received >= int(published)


def _an_id(kind: str) -> UUID:
    return marked(new_id()) if kind in ("poison deadline", "poison call") else new_id()


def _event(kind: str, id: UUID) -> Event:
    if kind in ("called", "poison call"):
        return CartAbandonedV1(customer_id="ada", product_ids=[id])
    return a_checkout(id).model_copy(update={"customer_id": kind.replace(" ", "-")})


def _about(body: bytes) -> UUID:
    content = json.loads(body)
    return UUID(content["product_ids"][0] if "product_ids" in content else content["order_id"])


async def _has_ended(process: ForkServerProcess) -> bool:
    return process.exitcode is not None


@asynccontextmanager
async def crash_world(toy: Toy) -> AsyncIterator[World]:
    """Provide queues and a consumer for all cases of a module."""
    await toy.declare([table()])
    toy.checkout_database([table()])
    connection = await aio_pika.connect(toy.broker.urls.amqp_of("cart", PASSWORDS["cart"]))
    listening = await aio_pika.connect(toy.broker.urls.amqp)
    async with connection, listening:
        ears = await open_channel(listening, confirms=False)
        world = World(toy, await open_channel(connection, confirms=True), ears)

        async def receive(message: DeliveredMessage) -> None:
            headers = message.header.properties.headers or {}
            world.published_events.append(
                (UUID(str(headers[CLOUDEVENTS_PREFIX + "id"])), str(headers[CLOUDEVENTS_PREFIX + "subject"]))
            )

        await ears.queue_declare(PROBE, exclusive=True)
        await ears.queue_bind(PROBE, "checkout.events", "#")
        await ears.basic_consume(PROBE, receive, no_ack=True)
        yield world


async def forget(world: World) -> None:
    """Remove everything that a failed case left."""
    await empty(world.toy.urls["checkout"])
    for queue in QUEUES:
        await world.admin.queue_purge(queue)
