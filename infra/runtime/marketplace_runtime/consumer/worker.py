"""What happens to the deliveries of one subscription: in batches, in one transaction each."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from marketplace_runtime.amqp.acknowledgements import Source
from marketplace_runtime.amqp.publisher import Publisher
from marketplace_runtime.consumer import inbox, incidents, poison_counter
from marketplace_runtime.consumer.delivery import Delivery, Unreadable
from marketplace_runtime.consumer.failures import Aftermath
from marketplace_runtime.consumer.key_ordering import Lines
from marketplace_runtime.consumer.quarantine import Gate, Isolation
from marketplace_runtime.consumer.run_all import together
from marketplace_runtime.consumer.subscription import Load, Subscription
from marketplace_runtime.consumer.unit_of_work import Commits
from marketplace_runtime.database import schedule
from marketplace_runtime.database.database import Database
from marketplace_runtime.database.ids import has_partition
from marketplace_runtime.database.transaction import Transaction
from marketplace_runtime.events.event import Event
from marketplace_runtime.external_calls.calls import Calls
from marketplace_runtime.telemetry import trace


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
        self.aftermath = Aftermath(self, service=service, publisher=publisher, clock=lambda: database.now)
        self.commits = Commits(
            database,
            f"{service}.{subscription.name}",
            failed=self.aftermath.failed,
            set_aside=self.aftermath.set_aside,
        )
        self._waiting: deque[Delivery | Unreadable] = deque()
        self._arrived = asyncio.Event()
        self._handling = False
        self._room_wanted: Callable[[], None] | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._calls = Calls(self, database, outside)
        self._handled = [type for type, each in subscription.reactions.items() if each.call is None]
        self._isolation = Isolation(self, self._run_to_its_end)
        self.lines = Lines(subscription, subscription.ordered_by) if subscription.ordered_by else None

    def receive(self, delivery: Delivery | Unreadable) -> None:
        """Take a delivery in; it will be settled, or delivered again by whoever sent it."""
        self._idle.clear()
        if isinstance(delivery, Delivery) and delivery.suspect and (self.lines is None or delivery.message is None):
            self._isolation.receive(delivery)
        else:
            self._waiting.append(delivery)
            self._arrived.set()

    @property
    def backlog(self) -> int:
        """How many wait to be handled, or for their call to be prepared."""
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether fewer wait than are handled at a time."""
        return self.backlog < self.subscription.batch

    def call_when_there_is_room(self, tell: Callable[[], None]) -> None:
        """Call `tell` once, as soon as a batch was taken from what waits; not at all if there is room now."""
        self._room_wanted = None if self.has_room else tell

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
            if self._room_wanted is not None and self.has_room:
                self._room_wanted()
                self._room_wanted = None
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
            await self.aftermath.refuse(unreadable)
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
        if self.lines is not None:
            await self.clear(tx, deliveries)  # also those whose turn it is not: they were not run
            deliveries = await self.lines.admit(tx, deliveries)
        fresh = await self.enter(tx, deliveries)
        if self.lines is not None:
            await self.lines.move_up(tx, deliveries)
        await self.load(tx, fresh)
        for delivery in fresh:
            handle = delivery.reaction.handle
            if handle is not None:
                tx.cause = delivery.envelope
                with trace(delivery.envelope.traceparent, event_id=str(delivery.envelope.id)):
                    await handle(delivery.event, tx)

    async def enter(self, tx: Transaction, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Write the inbox and clear the schedule. Returns those that were not handled before, each once.

        What the schedule holds of a time outside the horizon may have no partition in the inbox: its row there is the
        only place that it can come from, so removing that row is enough.
        """
        now, name = tx.now, self.subscription.name
        outside = [each for each in deliveries if each.entry is not None and not has_partition(each.envelope.id, now)]
        inside = [each for each in deliveries if each not in outside] if outside else deliveries
        new = await inbox.enter(tx, name, [each.envelope.id for each in inside], [each.attempt for each in inside])
        entries = [each.entry for each in deliveries if each.entry is not None]
        removed = await schedule.remove(tx, entries) if entries else set()
        if outside:
            here = {each.envelope.id for each in outside if each.entry in removed}
            new |= here - await inbox.known(tx, name, list(here))
        await self.clear(tx, deliveries)
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

    async def clear(self, tx: Transaction, deliveries: Sequence[Delivery]) -> None:
        """Take back that processes died of those that were suspected: their run came to an end."""
        suspected = [each.envelope.id for each in deliveries if each.suspect]
        if suspected:
            await poison_counter.clear(tx, self.subscription.name, suspected)

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
