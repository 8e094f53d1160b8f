"""What happens to the deliveries of one subscription: in batches, in one transaction each."""

import asyncio
import random
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from contracts import Event
from infra.messaging import retry
from infra.messaging.calls import Calls
from infra.messaging.dead import properties_of_dead
from infra.messaging.delivery import Delivery, Receipts, Unreadable
from infra.messaging.poison import Gate, Isolation
from infra.messaging.publisher import Publisher, Unconfirmed
from infra.messaging.together import together
from infra.messaging.wire import CONTENT_TYPE
from infra.messaging.wiring import Load, Subscription
from infra.storage import (
    Database,
    Transaction,
    claims,
    inbox,
    incidents,
    is_conflict,
    is_unavailable,
    schedule,
    suspects,
)
from infra.storage.dead_letters import DeadLetter
from infra.storage.schedule import Entry
from infra.telemetry import get_logger, metrics, trace

log = get_logger(__name__)

CONFLICT_RETRIES = 10
PROBE_S, PROBE_CAP_S = 0.1, 2.0
BLAMELESS_FAILURES = 3
"""So often in a row a "database is away" is believed although the database answers at once."""

T = TypeVar("T")
Apply = Callable[[Transaction, Sequence[Delivery]], Awaitable[None]]


class Worker:
    """Runs the handlers of one subscription in one process.

    Waiting deliveries share a transaction, up to `batch` of them; a lone one never waits. If anything in it
    fails, all is rolled back and each runs alone. Inbox row, state, outbox and schedule commit together;
    only then is the message acknowledged.
    """

    def __init__(
        self,
        subscription: Subscription,
        *,
        service: str,
        database: Database,
        publisher: Publisher,
        outside: Any,
        gate: Gate,
    ) -> None:
        self.subscription = subscription
        self.gate = gate
        self._service, self._database, self._publisher = service, database, publisher
        self._waiting: deque[Delivery | Unreadable] = deque()
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._calls = Calls(self, database, outside)
        self._isolation = Isolation(self, self._run_to_its_end)
        self._chance = random.Random()  # noqa: S311 - jitter
        self._seconds = metrics.process_duration.labels(f"{service}.{subscription.name}")
        self.paused = False
        """Whether it waits for the database to come back."""

    def receive(self, delivery: Delivery | Unreadable) -> None:
        """Take a delivery in; it will be settled, or delivered again by whoever sent it."""
        self._idle.clear()
        if isinstance(delivery, Delivery) and delivery.suspect:
            self._isolation.receive(delivery)
        else:
            self._waiting.append(delivery)
            self._arrived.set()

    @property
    def backlog(self) -> int:
        return len(self._waiting)

    async def run(self) -> None:
        """Handle what arrives until cancelled."""
        await together(self._calls.run(), self._isolation.run(), self._run_batches())

    async def _run_batches(self) -> None:
        while True:
            await self._arrived.wait()
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self.subscription.batch))]
            await self._handle([each for each in batch if not each.lost])
            if not self._waiting:
                self._arrived.clear()
                self.note_idle()

    async def drained(self) -> None:
        """Wait until everything that was received is settled."""
        await self._idle.wait()

    def note_idle(self) -> None:
        if not self._waiting and not self._calls.under_way and not self._isolation.busy:
            self._idle.set()

    async def _handle(self, batch: Sequence[Delivery | Unreadable]) -> None:
        for unreadable in [each for each in batch if isinstance(each, Unreadable)]:
            message = unreadable.message
            self._count("unreadable", 1)
            await self._bury(unreadable.letter(self.subscription.name), message.properties.content_type)
            await message.acknowledge()
        deliveries = [each for each in batch if isinstance(each, Delivery)]
        if deliveries:
            await self.gate.enter()
            try:
                await self._run(deliveries)
            finally:
                self.gate.leave()

    async def _run_to_its_end(self, delivery: Delivery) -> None:
        await self._run([delivery])
        await self._calls.quiet()

    async def _run(self, deliveries: Sequence[Delivery]) -> None:
        handled = [each for each in deliveries if each.reaction.handle is not None]
        if handled:
            await self.commit(handled, self._apply, then=self.settle)
        called = [each for each in deliveries if each.reaction.call is not None]
        if called:
            await self._calls.start(called)

    async def _apply(self, tx: Transaction, deliveries: Sequence[Delivery]) -> None:
        fresh = await self.enter(tx, deliveries)
        await self.load(tx, fresh)
        for delivery in fresh:
            handle = delivery.reaction.handle
            if handle is not None:
                tx.cause = delivery.envelope
                with trace(delivery.envelope.traceparent, event_id=str(delivery.envelope.id)):
                    await handle(delivery.event, tx)

    async def enter(self, tx: Transaction, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Write the inbox and clear the schedule. Returns those that were not handled before, each once."""
        new = await inbox.enter(
            tx,
            self.subscription.name,
            [each.envelope.id for each in deliveries],
            [each.attempt for each in deliveries],
        )
        entries = [each.entry for each in deliveries if each.entry is not None]
        if entries:
            await schedule.remove(tx, entries)
        await self._clear(tx, deliveries)
        fresh, again = [], []
        for delivery in deliveries:
            if delivery.envelope.id in new:
                new.discard(delivery.envelope.id)
                fresh.append(delivery)
            else:
                again.append(delivery.incident(self.subscription.name, "duplicate", delivery.came_again))
        if again:
            await incidents.note(tx, again)
        return fresh

    async def _clear(self, tx: Transaction, deliveries: Sequence[Delivery]) -> None:
        suspected = [each.envelope.id for each in deliveries if each.suspect]
        if suspected:
            await suspects.clear(tx, self.subscription.name, suspected)

    async def load(self, tx: Transaction, deliveries: Sequence[Delivery]) -> None:
        """Read what the handlers will need: each `load` once, for all the events of reactions that share it."""
        events: defaultdict[Load, list[Event]] = defaultdict(list)
        for delivery in deliveries:
            if delivery.reaction.load is not None:
                events[delivery.reaction.load].append(delivery.event)
        for load, wanted in events.items():
            await load(wanted, tx)

    async def commit(
        self,
        deliveries: Sequence[Delivery],
        apply: Apply,
        *,
        then: Callable[[Sequence[Delivery]], Awaitable[None]],
    ) -> None:
        """Commit `apply` for all, or for each alone; then do what follows for those that succeeded.

        A failure of our own database is waited out. A conflict is tried again at once; neither spends an attempt.
        """
        conflicts = outages = 0
        while True:
            try:
                with self._seconds.time():
                    async with self._database.transaction() as tx:
                        await apply(tx, deliveries)
            except Exception as error:  # noqa: BLE001 - whatever a handler raises becomes a decision here
                if is_unavailable(error) and outages < BLAMELESS_FAILURES:
                    outages += await self._wait_out(error)
                elif len(deliveries) > 1:
                    for delivery in deliveries:
                        await self.commit([delivery], apply, then=then)
                    return
                elif is_conflict(error) and conflicts < CONFLICT_RETRIES:
                    conflicts += 1
                    await asyncio.sleep(self._chance.uniform(0, 0.01 * 2 ** min(conflicts, 6)))
                else:
                    await self.failed(deliveries[0], error)
                    return
            else:
                self._count("committed", len(deliveries))
                await then(deliveries)
                return

    async def settle(self, deliveries: Sequence[Delivery]) -> None:
        """Tell the broker that these are done."""
        by_channel: defaultdict[Receipts, list[int]] = defaultdict(list)
        for delivery in deliveries:
            if delivery.message is not None:
                by_channel[delivery.message.receipts].append(delivery.message.tag)
        for receipts, tags in by_channel.items():
            await receipts.acknowledge(tags)

    async def failed(self, delivery: Delivery, error: BaseException) -> None:
        """Carry out what the retry rule decides: file the delivery for later, or bury it."""
        decision = retry.after(
            error, attempt=delivery.attempt, attempts=delivery.reaction.attempts, chance=self._chance
        )
        why = f"{type(error).__name__}: {error}"
        log.warning(
            "handling failed",
            subscription=self.subscription.name,
            event_id=str(delivery.envelope.id),
            type=delivery.envelope.type,
            attempt=delivery.attempt,
            decision=repr(decision),
            error=why,
            exc_info=error if isinstance(decision, retry.Dead) and decision.reason == "attempts-exhausted" else None,
        )
        delivery.failed_at = delivery.failed_at or datetime.now(UTC)
        if isinstance(decision, retry.Dead):
            await self.give_up(delivery, decision.reason, why)
        else:
            self._count("retried", 1)
            await self.postpone(delivery, decision.delay, why, attempt=delivery.attempt + 1)

    async def give_up(self, delivery: Delivery, reason: str, why: str) -> None:
        """Send the delivery to where people look; then forget it."""
        self._count("dead", 1)
        await self._bury(delivery.letter(self.subscription.name, reason, why), CONTENT_TYPE)
        await self._forget(delivery, None, why)

    async def postpone(self, delivery: Delivery, delay: Any, why: str, *, attempt: int) -> None:
        """File the delivery to come again after `delay`; the broker may then forget it."""
        entry = Entry(
            subscription=self.subscription.name,
            envelope=delivery.envelope,
            body=delivery.body,
            due=datetime.now(UTC) + delay,
            attempt=attempt,
            why=why.replace("\0", "�")[:1000],
            failed_at=delivery.failed_at,
        )
        await self._forget(delivery, entry, why)

    async def _forget(self, delivery: Delivery, instead: Entry | None, why: str) -> None:
        async def forget(tx: Transaction) -> None:
            if delivery.entry is not None:
                await schedule.remove(tx, [delivery.entry])
            if delivery.claimed:
                await claims.release(tx, self.subscription.name, [delivery.envelope.id])
            await self._clear(tx, [delivery])
            if instead is not None:
                tx.file(instead)
            await incidents.note(tx, [delivery.incident(self.subscription.name, "failed", why)])

        await self.surely(forget)
        await self.settle([delivery])

    async def surely(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Commit `work` of the runtime's own, however long the database is away or in conflict."""
        while True:
            try:
                async with self._database.transaction() as tx:
                    done = await work(tx)
            except Exception as error:
                if is_conflict(error):
                    await asyncio.sleep(self._chance.uniform(0, PROBE_S))
                elif is_unavailable(error):
                    await self._wait_out(error)
                else:
                    raise
            else:
                return done

    async def _bury(self, letter: DeadLetter, content_type: str | None) -> None:
        """Publish a dead letter, confirmed: before the message is forgotten anywhere else."""
        properties = properties_of_dead(letter, content_type, self._service)
        log.error(
            "dead letter", subscription=letter.subscription, reason=letter.reason, error=letter.error, key=letter.key
        )
        while True:
            await self._publisher.ready()
            try:
                await self._publisher.publish(f"{self._service}.dead", letter.subscription, letter.body, properties)
                return
            except Unconfirmed as error:
                log.warning("dead letter not confirmed, publishing it again", error=str(error))
                await asyncio.sleep(self._chance.uniform(0, PROBE_CAP_S))

    async def _wait_out(self, error: BaseException) -> int:
        """Wait until the database takes a write again. Returns 1 if it did at once, so was not away at all."""
        log.warning("database away, consumption paused", subscription=self.subscription.name, error=repr(error))
        self._pause(True)
        try:
            for probe in range(10**9):
                try:
                    await self._database.ping()
                except Exception as still:
                    if not is_unavailable(still):
                        raise
                    await asyncio.sleep(
                        self._chance.uniform(PROBE_S / 2, min(PROBE_CAP_S, PROBE_S * 2 ** min(probe, 10)))
                    )
                else:
                    return 1 if probe == 0 else 0
        finally:
            self._pause(False)
        return 0

    def _pause(self, paused: bool) -> None:
        self.paused = paused
        metrics.consumption_paused.labels(f"{self._service}.{self.subscription.name}").set(paused)

    def _count(self, outcome: str, messages: int) -> None:
        metrics.process_total.labels(f"{self._service}.{self.subscription.name}", outcome).inc(messages)
