"""Any order of publishing, delivering, dying, retrying, dead-lettering and redriving leaves one effect per event.

Hypothesis chooses the steps; the worker, the relay's publishing and the tables are real, on a real database.
The broker is a list, so that a death can occur between any two steps.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from pamqp.commands import Basic

from contracts import Envelope
from contracts.cart import CartCheckedOutV1
from contracts.checkout import OrderPlacedV1
from marketplace_runtime.amqp import IncomingMessage, MessageSource, Publisher, decode_dead_letter
from marketplace_runtime.consumer import (
    SUSPECT_AFTER_DEATHS,
    Delivery,
    RunAloneGate,
    Worker,
    on,
    poison_counter,
    subscription,
)
from marketplace_runtime.consumer.decode import decode_entry
from marketplace_runtime.consumer.quarantine import MAX_RUNS_ALONE
from marketplace_runtime.database import Database, Transaction, new_id, publishes
from marketplace_runtime.database.outbox import BUCKETS
from marketplace_runtime.dead_letters import table as dead_letters
from marketplace_runtime.external_calls import liveness
from marketplace_runtime.outbox import Relay
from marketplace_runtime.outbox import table as outbox_table
from marketplace_runtime.outbox.table import Pending
from marketplace_runtime.scheduler import table as scheduled
from marketplace_runtime.scheduler.retry_policy import Reject
from marketplace_runtime.telemetry import new_traceparent
from tests.examples import examples
from tests.integration.messaging.toy import Toy, a_checkout, an_order, effect, empty

STEPS = ("before commit", "after commit", "before ack", "before publish", "after publish")
deaths = st.none() | st.tuples(st.sampled_from(STEPS), st.integers(1, 2))
STATE = """
select
    (select coalesce(array_agg(order_id), '{}') from effects),
    (select coalesce(array_agg(event_id), '{}') from messaging.inbox),
    (select coalesce(array_agg(event_id order by event_id), '{}') from messaging.outbox),
    (select coalesce(array_agg(subject order by event_id), '{}') from messaging.outbox),
    (select coalesce(array_agg(event_id), '{}') from messaging.outbox_pending),
    (select count(*) from messaging.scheduled)
"""


class Death(BaseException):
    """Raised where the process dies."""


@dataclass
class Message:
    """One copy of an event in the queue."""

    envelope: Envelope
    body: bytes
    redeliveries: int = 0


class Fate:
    """The step at which the process dies next, if any."""

    def __init__(self) -> None:
        self.step, self.left = "", 0

    def set(self, death: tuple[str, int] | None) -> None:
        self.step, self.left = death or ("", 0)

    def meet(self, step: str) -> None:
        if step == self.step:
            self.left -= 1
            if self.left == 0:
                raise Death


class MortalDatabase(Database):
    """A database whose client may die right before or after a commit."""

    fate: Fate

    @asynccontextmanager
    async def transaction(self, cause: Envelope | None = None) -> AsyncIterator[Transaction]:
        async with super().transaction(cause) as tx:
            yield tx
            self.fate.meet("before commit")
        self.fate.meet("after commit")


class Broker:
    """A fake broker: the messages that it holds, and its publishing and consuming sides."""

    def __init__(self, fate: Fate) -> None:
        self.fate = fate
        self.queue: list[Message] = []
        self.taken: dict[int, Message] = {}
        self.dead: list[tuple[Basic.Properties, bytes]] = []
        self.published: set[tuple[UUID, str]] = set()

    async def wait_until_ready(self) -> None: ...

    async def publish(self, exchange: str, routing_key: str, body: bytes, properties: Basic.Properties) -> None:
        self.fate.meet("before publish")
        self.dead.append((properties, body))
        self.fate.meet("after publish")

    async def publish_all(self, events: Sequence[tuple[Envelope, bytes]]) -> list[bool]:
        for envelope, _ in events:
            self.fate.meet("before publish")
            self.published.add((envelope.id, envelope.subject))
            self.fate.meet("after publish")
        return [True] * len(events)

    def take(self, number: int) -> list[IncomingMessage]:
        received = []
        for _ in range(min(number, len(self.queue))):
            tag = max(self.taken, default=0) + 1
            message = self.taken[tag] = self.queue.pop(0)
            received.append(
                IncomingMessage(
                    message.body, Basic.Properties(), tag, cast("MessageSource", self), message.redeliveries
                )
            )
        return received

    async def acknowledge(self, tags: Sequence[int]) -> None:
        self.fate.meet("before ack")
        for tag in tags:
            self.taken.pop(tag, None)

    def consumer_died(self) -> None:
        self.queue = [replace(each, redeliveries=each.redeliveries + 1) for each in self.taken.values()] + self.queue
        self.taken.clear()


def machine_of(runner: asyncio.Runner, url: str, owner_url: Any) -> type[RuleBasedStateMachine]:
    """The state machine over one database."""

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.fate = Fate()
            self.broker = Broker(self.fate)
            self.events: list[tuple[Envelope, CartCheckedOutV1]] = []
            self.failures = Counter[UUID]()
            self.doomed: set[UUID] = set()
            self.replayed: set[UUID] = set()
            self.died_alone = Counter[UUID]()
            self.quiet = False
            """Whether no message or row is pending."""
            runner.run(empty(owner_url))
            self._start()

        def _start(self) -> None:
            """Start a new process."""
            self.fate.set(None)
            self.database = MortalDatabase(url, source="checkout", pool_size=2)
            self.database.fate = self.fate
            table = subscription("carts", on(CartCheckedOutV1, self._place))
            self.worker = Worker(
                table,
                service="checkout",
                database=self.database,
                publisher=cast("Publisher", self.broker),
                store_dead_letters=dead_letters.store,
                clients=None,
                gate=RunAloneGate(),
            )

        @publishes(OrderPlacedV1)
        async def _place(self, event: CartCheckedOutV1, tx: Transaction) -> None:
            if event.order_id in self.doomed:
                raise Reject("never")
            if self.failures[event.order_id] > 0:
                self.failures[event.order_id] -= 1
                raise LookupError("not yet")
            await effect(tx, event.order_id)
            tx.publish(an_order(event))

        async def _survive(self, work: Any, death: tuple[str, int] | None) -> None:
            """Do `work`; if the process dies, start the next one."""
            self.fate.set(death)
            try:
                await work
            except Death:
                await self.database.close()
                self.broker.consumer_died()
                self._start()
            finally:
                self.fate.set(None)

        async def _run(self, deliveries: list[Delivery]) -> None:
            together = [each for each in deliveries if not each.is_suspect]
            if together:
                await self.worker.handle(together)
            for delivery in [each for each in deliveries if each.is_suspect]:
                id = delivery.envelope.id
                async with self.database.transaction() as tx:
                    runs = await poison_counter.read_runs(tx, "carts", [id])
                try:
                    await self.worker.run_alone(delivery, runs.get(id, 0))
                except Death:
                    self.died_alone[id] += 1
                    raise

        async def _deliver(self, number: int) -> None:
            deliveries = []
            for received in self.broker.take(number):
                reaction = self.worker.subscription.reactions[CartCheckedOutV1.type]
                envelope = self.broker.taken[received.tag].envelope
                is_suspect = received.redeliveries >= SUSPECT_AFTER_DEATHS
                deliveries.append(Delivery(envelope, received.body, reaction, message=received, is_suspect=is_suspect))
            await self._run(deliveries)

        async def _run_due(self) -> None:
            async with self.database.transaction() as tx:
                await liveness.release_orphaned_claims(tx, {})
                await tx.execute("update messaging.scheduled set due = now()")
                entries = await scheduled.lease_due(tx, [("carts", CartCheckedOutV1.type)], 100, timedelta(seconds=60))
            await self._run([decode_entry(each, self.worker.subscription) for each in entries])

        async def _relay(self) -> None:
            async with self.database.transaction() as tx:
                rows = await tx.execute(outbox_table.PENDING, list(range(BUCKETS)), 500)
            confirmed = await Relay(self.database, cast("Publisher", self.broker))._publish(
                [Pending(*row) for row in rows]
            )
            async with self.database.transaction() as tx:
                await tx.execute(outbox_table.DELETE_CONFIRMED, confirmed)

        async def _file(self) -> None:
            while self.broker.dead:
                properties, body = self.broker.dead[0]
                async with self.database.transaction() as tx:
                    await dead_letters.store(tx, [decode_dead_letter(properties, body, "checkout")])
                self.fate.meet("before ack")
                self.broker.dead.pop(0)

        @rule(fates=st.lists(st.sampled_from(["fine", "fine", "fine", "fails", "doomed"]), min_size=1, max_size=6))
        def publish(self, fates: list[str]) -> None:
            for fate in fates:
                event = a_checkout()
                envelope = Envelope(new_id(), event.type, "cart", event.subject, datetime.now(UTC), new_traceparent())
                self.events.append((envelope, event))
                self.failures[event.order_id] = 3 if fate == "fails" else 0
                if fate == "doomed":
                    self.doomed.add(event.order_id)
                self.broker.queue.append(Message(envelope, event.model_dump_json().encode()))

        @rule(which=st.integers(0, 1000))
        def duplicate(self, which: int) -> None:
            if self.events:
                envelope, event = self.events[which % len(self.events)]
                self.broker.queue.append(Message(envelope, event.model_dump_json().encode()))

        @rule(number=st.integers(1, 8), death=deaths, shuffle=st.randoms(use_true_random=False))
        def deliver(self, number: int, death: tuple[str, int] | None, shuffle: Any) -> None:
            shuffle.shuffle(self.broker.queue)
            runner.run(self._survive(self._deliver(number), death))

        @rule(death=deaths)
        def run_what_is_due(self, death: tuple[str, int] | None) -> None:
            runner.run(self._survive(self._run_due(), death))

        @rule(death=deaths)
        def relay(self, death: tuple[str, int] | None) -> None:
            runner.run(self._survive(self._relay(), death))

        @rule(death=deaths)
        def file(self, death: tuple[str, int] | None) -> None:
            runner.run(self._survive(self._file(), death))

        @rule()
        def replay(self) -> None:
            """Redrive every dead letter, after the cause was fixed."""
            for (id,) in runner.run(self._rows("select event_id from messaging.dead_letters")):
                [(envelope, event)] = [each for each in self.events if each[0].id == id]
                self.doomed.discard(event.order_id)
                self.replayed.add(event.order_id)
                self.broker.queue.append(Message(envelope, event.model_dump_json().encode()))

        async def _rows(self, statement: str) -> list[Any]:
            async with Database.transaction(self.database) as tx:
                return [tuple(row) for row in await tx.execute(statement)]

        @invariant()
        def an_event_has_one_effect_with_its_inbox_row_and_its_event(self) -> None:
            [(happened, inbox, ids, subjects, waiting, scheduled)] = runner.run(self._rows(STATE))
            effects, committed = Counter(happened), list(zip(ids, subjects, strict=True))
            self.quiet = not (self.broker.queue or self.broker.dead or waiting or scheduled)
            assert set(effects.values()) <= {1}
            assert set(inbox) == {envelope.id for envelope, event in self.events if event.order_id in effects}
            assert sorted(subject for _, subject in committed) == sorted(map(str, effects))
            assert self.broker.published <= set(committed), "an uncommitted event was published"
            assert {row for row in committed if row[0] not in waiting} <= self.broker.published, (
                "a committed event is neither pending nor published"
            )

        def teardown(self) -> None:
            """Finish everything without further deaths, and check the result."""
            self.quiet = False
            for _ in range(30):
                if not self.quiet:
                    runner.run(self._deliver(1000))
                    runner.run(self._run_due())
                    runner.run(self._relay())
                    runner.run(self._file())
                    self.an_event_has_one_effect_with_its_inbox_row_and_its_event()
            assert self.quiet
            assert self.broker.taken == {}
            assert runner.run(self._rows("select * from messaging.suspects")) == []
            effects = {order for (order,) in runner.run(self._rows("select order_id from effects"))}
            dead = dict(runner.run(self._rows("select event_id, reason from messaging.dead_letters")))
            for envelope, event in self.events:
                if event.order_id in self.doomed:
                    assert event.order_id not in effects
                    assert dead[envelope.id] in ("rejected", "poison")
                else:
                    assert event.order_id in effects or envelope.id in dead
                if dead.get(envelope.id) == "poison":
                    assert self.died_alone[envelope.id] >= MAX_RUNS_ALONE, (
                        "a harmless message was dead-lettered as poison"
                    )
                elif event.order_id not in self.doomed and event.order_id not in self.replayed:
                    assert event.order_id in effects
            runner.run(self.database.close())

    return Machine


@pytest.fixture
async def urls(toy: Toy) -> tuple[str, Any]:
    return toy.urls["checkout"].app, toy.urls["checkout"]


@pytest.mark.timeout(600)
def test_any_order_of_steps_and_deaths_leaves_one_effect_per_event(urls: tuple[str, Any]) -> None:
    with asyncio.Runner() as runner:
        run_state_machine_as_test(
            machine_of(runner, *urls),
            settings=settings(
                max_examples=examples(150),
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
