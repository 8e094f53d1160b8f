"""Carries out the decisions about deliveries. No other module does."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from marketplace_runtime.amqp import Publisher, Unconfirmed, dead_letter, dead_letter_properties, decode_dead_letter
from marketplace_runtime.consumer import incidents, metrics, poison_counter
from marketplace_runtime.consumer.acknowledge import acknowledge
from marketplace_runtime.consumer.call import ExternalCalls
from marketplace_runtime.consumer.decisions import AwaitCall, DeadLetter, MakeCall, Outcome, Postpone, Retry
from marketplace_runtime.consumer.delivery import Delivery, UnreadableMessage
from marketplace_runtime.consumer.order import OrderByKey
from marketplace_runtime.consumer.transactions import Transactions
from marketplace_runtime.database import ScheduleEntry, Transaction
from marketplace_runtime.events import make_storable
from marketplace_runtime.external_calls import claims
from marketplace_runtime.scheduler import table as scheduled
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

MAX_REPUBLISH_DELAY_S = 2.0
StoreDeadLetters = Callable[[Transaction, Sequence[dead_letter.DeadLetter]], Awaitable[None]]


class Executor:
    """Carries out decisions for one subscription.

    `order` is the ordering stage of an ordered subscription, else None. `clock` returns the database's time.
    """

    def __init__(
        self,
        *,
        service: str,
        subscription: str,
        transactions: Transactions,
        calls: ExternalCalls,
        order: OrderByKey | None,
        publisher: Publisher,
        store_dead_letters: StoreDeadLetters,
        dead_letter_exchange: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._service, self._subscription, self._transactions = service, subscription, transactions
        self._calls, self._order, self._publisher = calls, order, publisher
        self._store_dead_letters, self._now = store_dead_letters, clock
        self._dead_letter_exchange = dead_letter_exchange
        self._rng = random.Random()  # noqa: S311 - jitter

    async def execute(self, outcome: Outcome) -> list[Delivery]:
        """Carry out all decisions, then acknowledge. Returns the deliveries that must be handled again at once."""
        again: list[Delivery] = []
        postponed: list[tuple[Delivery, Postpone]] = []
        for delivery, decision in outcome.decisions:
            match decision:
                case MakeCall():
                    self._calls.start(delivery, decision)
                case AwaitCall():
                    again += [] if self._calls.hold(delivery) else [delivery]
                case Postpone():
                    postponed.append((delivery, decision))
                case Retry():
                    await self._retry(delivery, decision)
                case DeadLetter():
                    await self._dead_letter(delivery, decision)
        if postponed:
            await self._postpone(postponed)
        if outcome.done:
            await self.acknowledge(outcome.done)
        return again

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge deliveries to their sources."""
        await acknowledge(deliveries)

    async def dead_letter_unreadable(self, unreadable: UnreadableMessage) -> None:
        """Dead-letter a message that is not an event for this subscription, then acknowledge it."""
        self._count("unreadable")
        await self._publish(unreadable.as_dead_letter(self._subscription))
        await unreadable.message.acknowledge()

    async def _retry(self, delivery: Delivery, decision: Retry) -> None:
        self._count("retried")
        delivery.failed_at = delivery.failed_at or self._now()
        entry = self._entry(delivery, decision.delay, decision.why, attempt=delivery.attempt + 1)
        await self._replace([delivery], [entry], incidents_for=[delivery])

    async def _postpone(self, postponed: Sequence[tuple[Delivery, Postpone]]) -> None:
        """Schedule deliveries for later, in one transaction.

        Records an incident only for the first failure or postponement of each. Keeps each count of process deaths: a
        postponed delivery has not completed a run.
        """
        first_failures = [delivery for delivery, _ in postponed if delivery.failed_at is None]
        entries = []
        for delivery, decision in postponed:
            self._count("postponed")
            delivery.failed_at = delivery.failed_at or self._now()
            entry = self._entry(delivery, decision.delay, decision.why, attempt=delivery.attempt)
            entries.append(replace(entry, deaths=delivery.deaths))
        await self._replace([delivery for delivery, _ in postponed], entries, incidents_for=first_failures)

    async def _dead_letter(self, delivery: Delivery, decision: DeadLetter) -> None:
        """Publish the dead letter, then remove the delivery from the schedule and acknowledge it.

        If the delivery has an ordering key, its dead letter is not published. It is stored in the transaction that
        stores the delivery as a dead entry at the head of the key's queue, so that a crash leaves both or neither.
        """
        self._count("dead")
        delivery.failed_at = delivery.failed_at or self._now()
        letter = delivery.as_dead_letter(self._subscription, decision.reason, decision.why)
        if self._order is not None and delivery.key is not None:
            _log(letter)
        else:
            await self._publish(letter)
        dead = self._entry(delivery, None, decision.why, attempt=delivery.attempt)
        await self._replace([delivery], [dead], incidents_for=[delivery], letter=letter)

    def _entry(self, delivery: Delivery, delay: timedelta | None, why: str, *, attempt: int) -> ScheduleEntry:
        """Return the schedule entry that replaces `delivery`. With a `delay` of None, it is dead and not run again."""
        return ScheduleEntry(
            subscription=self._subscription,
            envelope=delivery.envelope,
            body=delivery.body,
            delay=delay,
            attempt=attempt,
            why=make_storable(why[:1000]),
            failed_at=delivery.failed_at,
            key=delivery.key,
            dead=delay is None,
        )

    async def _replace(
        self,
        deliveries: Sequence[Delivery],
        entries: Sequence[ScheduleEntry],
        *,
        incidents_for: Sequence[Delivery],
        letter: dead_letter.DeadLetter | None = None,
    ) -> None:
        """Store `entries` in the schedule in place of `deliveries`, then acknowledge.

        A dead entry is stored only if it has an ordering key: as the head of the key's queue, together with its dead
        letter `letter`.
        """
        name = self._subscription
        pairs = list(zip(deliveries, entries, strict=True))

        async def replace_all(tx: Transaction) -> None:
            for delivery, entry in pairs:
                await self._replace_one(tx, delivery, entry, letter)
            claimed = [each.envelope.id for each in deliveries if each.claimed]
            if claimed:
                await claims.release(tx, name, claimed)
            await poison_counter.reset(tx, name, deliveries)
            if incidents_for:
                await incidents.record(
                    tx,
                    [
                        delivery.incident(name, "failed", entry.why)
                        for delivery, entry in pairs
                        if delivery in incidents_for
                    ],
                )

        await self._transactions.commit_with_retries(replace_all)
        await self.acknowledge(deliveries)

    async def _replace_one(
        self, tx: Transaction, delivery: Delivery, entry: ScheduleEntry, letter: dead_letter.DeadLetter | None
    ) -> None:
        if self._order is not None and delivery.key is not None:
            is_queued = await self._order.store_failed(tx, delivery, entry)
            if is_queued and letter is not None:
                # Encoded and decoded, it is stored exactly like a dead letter that came through the broker.
                properties = dead_letter_properties(letter, self._service)
                await self._store_dead_letters(tx, [decode_dead_letter(properties, letter.body, self._service)])
            return
        if delivery.entry_id is not None:
            await scheduled.remove(tx, [delivery.entry_id])
        if not entry.dead:
            tx.schedule_entry(entry)

    async def _publish(self, letter: dead_letter.DeadLetter) -> None:
        """Publish a dead letter until the broker confirms it. Call this before the message is removed anywhere else."""
        properties = dead_letter_properties(letter, self._service)
        _log(letter)
        while True:
            await self._publisher.wait_until_ready()
            try:
                await self._publisher.publish(self._dead_letter_exchange, letter.subscription, letter.body, properties)
                return
            except Unconfirmed as error:
                log.warning("dead letter not confirmed, publishing it again", error=str(error))
                await asyncio.sleep(self._rng.uniform(0, MAX_REPUBLISH_DELAY_S))

    def _count(self, outcome: str) -> None:
        metrics.process_total.labels(f"{self._service}.{self._subscription}", outcome).inc()


def _log(letter: dead_letter.DeadLetter) -> None:
    log.error("dead letter", subscription=letter.subscription, reason=letter.reason, error=letter.error, key=letter.key)
