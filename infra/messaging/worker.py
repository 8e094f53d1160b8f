"""What happens to the deliveries of one subscription: in batches, in one transaction each."""

import asyncio
import random
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from contracts import Event
from infra.messaging import retry
from infra.messaging.calls import Calls
from infra.messaging.commits import Commits
from infra.messaging.dead import letter_of, properties_of_dead
from infra.messaging.delivery import Delivery, Source, Unreadable
from infra.messaging.ordering import Lines
from infra.messaging.poison import Gate, Isolation
from infra.messaging.publisher import Publisher, Unconfirmed
from infra.messaging.together import together
from infra.messaging.wiring import Load, Subscription
from infra.storage import (
    Database,
    Transaction,
    claims,
    dead_letters,
    inbox,
    incidents,
    is_past_horizon,
    schedule,
    storable,
    suspects,
)
from infra.storage.dead_letters import DeadLetter
from infra.storage.schedule import Entry
from infra.telemetry import get_logger, metrics, trace

log = get_logger(__name__)

REPUBLISH_CAP_S = 2.0


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
        self._service, self._publisher = service, publisher
        self.commits = Commits(database, f"{service}.{subscription.name}", failed=self.failed)
        self._waiting: deque[Delivery | Unreadable] = deque()
        self._arrived = asyncio.Event()
        self._handling = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._calls = Calls(self, database, outside)
        self._handled = [type for type, each in subscription.reactions.items() if each.call is None]
        self._isolation = Isolation(self, self._run_to_its_end)
        self._lines = Lines(subscription, subscription.ordered_by) if subscription.ordered_by else None
        self._chance = random.Random()  # noqa: S311 - jitter

    def receive(self, delivery: Delivery | Unreadable) -> None:
        """Take a delivery in; it will be settled, or delivered again by whoever sent it."""
        self._idle.clear()
        if isinstance(delivery, Delivery) and delivery.suspect and (self._lines is None or delivery.message is None):
            self._isolation.receive(delivery)
        else:
            self._waiting.append(delivery)
            self._arrived.set()

    @property
    def backlog(self) -> int:
        """How many wait to be handled, or for their call to be prepared."""
        return len(self._waiting)

    @property
    def hears_now(self) -> Iterable[str]:
        """Types of events that can be handed over: none that need a call while those under way are too many."""
        return self._handled if self._calls.crowded else self.subscription.reactions

    async def run(self) -> None:
        """Handle what arrives until cancelled."""
        await together(self._calls.run(), self._isolation.run(), self._run_batches())

    async def _run_batches(self) -> None:
        while True:
            await self._arrived.wait()
            self._handling = True
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self.subscription.batch))]
            await self._handle([each for each in batch if not each.lost])
            self._handling = False
            if not self._waiting:
                self._arrived.clear()
                self.note_idle()

    async def drained(self) -> None:
        """Wait until everything that was received is settled."""
        await self._idle.wait()

    def note_idle(self) -> None:
        if not (self._waiting or self._handling or self._calls.under_way or self._isolation.busy):
            self._idle.set()

    async def _handle(self, batch: Sequence[Delivery | Unreadable]) -> None:
        for unreadable in [each for each in batch if isinstance(each, Unreadable)]:
            self._count("unreadable", 1)
            await self._bury(unreadable.letter(self.subscription.name))
            await unreadable.message.acknowledge()
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
            await self.commits.each(handled, self._apply, then=self.settle)
        called = [each for each in deliveries if each.reaction.call is not None]
        if called:
            await self._calls.start(called)

    async def _apply(self, tx: Transaction, deliveries: Sequence[Delivery]) -> None:
        if self._lines is not None:
            await self._clear(tx, deliveries)  # also those whose turn it is not: they were not run
            deliveries = await self._lines.admit(tx, deliveries)
        fresh = await self.enter(tx, deliveries)
        if self._lines is not None:
            await self._lines.move_up(tx, deliveries)
        await self.load(tx, fresh)
        for delivery in fresh:
            handle = delivery.reaction.handle
            if handle is not None:
                tx.cause = delivery.envelope
                with trace(delivery.envelope.traceparent, event_id=str(delivery.envelope.id)):
                    await handle(delivery.event, tx)

    async def enter(self, tx: Transaction, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Write the inbox and clear the schedule. Returns those that were not handled before, each once.

        What waited in the schedule past the horizon may have no partition in the inbox any more: its row there
        is the only place that it can come from, so removing that row is enough.
        """
        now, name = datetime.now(UTC), self.subscription.name
        aged = [each for each in deliveries if each.entry is not None and is_past_horizon(each.envelope.id, now)]
        young = [each for each in deliveries if each not in aged] if aged else deliveries
        new = await inbox.enter(tx, name, [each.envelope.id for each in young], [each.attempt for each in young])
        entries = [each.entry for each in deliveries if each.entry is not None]
        removed = await schedule.remove(tx, entries) if entries else set()
        if aged:
            here = {each.envelope.id for each in aged if each.entry in removed}
            new |= here - await inbox.known(tx, name, list(here))
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

    async def settle(self, deliveries: Sequence[Delivery]) -> None:
        """Tell where they came from that these are done."""
        by_source: defaultdict[Source, list[int]] = defaultdict(list)
        for delivery in deliveries:
            if delivery.message is not None:
                by_source[delivery.message.receipts].append(delivery.message.tag)
        for source, tags in by_source.items():
            await source.acknowledge(tags)

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
            due = datetime.now(UTC) + decision.delay
            await self._forget(delivery, self._later(delivery, due, why, attempt=delivery.attempt + 1))

    async def give_up(self, delivery: Delivery, reason: str, why: str) -> None:
        """Send the delivery to where people look; then forget it.

        What stands in a line is filed in the transaction that declares it dead: a crash leaves both or neither.
        """
        self._count("dead", 1)
        letter = delivery.letter(self.subscription.name, reason, why)
        if self._lines is not None and delivery.key is not None:
            _tell(letter)
        else:
            await self._bury(letter)
        await self._forget(delivery, self._later(delivery, None, why, attempt=delivery.attempt), letter)

    async def postpone(self, delivery: Delivery, delay: timedelta, why: str) -> None:
        """File a delivery that was not run to come again after `delay`: no attempt is spent, and no death forgotten."""
        entry = self._later(delivery, datetime.now(UTC) + delay, why, attempt=delivery.attempt)
        await self._forget(delivery, replace(entry, deaths=delivery.deaths))

    def _later(self, delivery: Delivery, due: datetime | None, why: str, *, attempt: int) -> Entry:
        return Entry(
            subscription=self.subscription.name,
            envelope=delivery.envelope,
            body=delivery.body,
            due=due,
            attempt=attempt,
            why=storable(why[:1000]),
            failed_at=delivery.failed_at,
            key=delivery.key,
            dead=due is None,
        )

    async def _forget(self, delivery: Delivery, instead: Entry, letter: DeadLetter | None = None) -> None:
        async def forget(tx: Transaction) -> None:
            if self._lines is not None and delivery.key is not None:
                stands = await self._lines.keep(tx, delivery, instead)
                if stands and letter is not None:
                    properties = properties_of_dead(letter, self._service)
                    await dead_letters.file(tx, [letter_of(properties, letter.body, self._service)])
            else:
                if delivery.entry is not None:
                    await schedule.remove(tx, [delivery.entry])
                if not instead.dead:
                    tx.file(instead)
            if delivery.claimed:
                await claims.release(tx, self.subscription.name, [delivery.envelope.id])
            await self._clear(tx, [delivery])
            await incidents.note(tx, [delivery.incident(self.subscription.name, "failed", instead.why)])

        await self.commits.surely(forget)
        await self.settle([delivery])

    async def _bury(self, letter: DeadLetter) -> None:
        """Publish a dead letter, confirmed: before the message is forgotten anywhere else."""
        properties = properties_of_dead(letter, self._service)
        _tell(letter)
        while True:
            await self._publisher.ready()
            try:
                await self._publisher.publish(f"{self._service}.dead", letter.subscription, letter.body, properties)
                return
            except Unconfirmed as error:
                log.warning("dead letter not confirmed, publishing it again", error=str(error))
                await asyncio.sleep(self._chance.uniform(0, REPUBLISH_CAP_S))

    def _count(self, outcome: str, messages: int) -> None:
        metrics.process_total.labels(f"{self._service}.{self.subscription.name}", outcome).inc(messages)


def _tell(letter: DeadLetter) -> None:
    log.error("dead letter", subscription=letter.subscription, reason=letter.reason, error=letter.error, key=letter.key)
