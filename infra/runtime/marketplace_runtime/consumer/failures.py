"""What becomes of a delivery that could not be handled: it comes again later, or is buried where people look."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from marketplace_runtime.amqp.dead_letter import DeadLetter
from marketplace_runtime.amqp.dead_letter_format import letter_of, properties_of_dead
from marketplace_runtime.amqp.publisher import Publisher, Unconfirmed
from marketplace_runtime.consumer import incidents
from marketplace_runtime.consumer.delivery import Delivery, Unreadable
from marketplace_runtime.database import schedule
from marketplace_runtime.database.schedule import Entry
from marketplace_runtime.database.transaction import Transaction
from marketplace_runtime.dead_letters import table as dead_letters
from marketplace_runtime.events.text import storable
from marketplace_runtime.external_calls import claims
from marketplace_runtime.scheduler import retry_policy
from marketplace_runtime.telemetry import get_logger, metrics

if TYPE_CHECKING:
    from marketplace_runtime.consumer.worker import Worker

log = get_logger(__name__)

REPUBLISH_CAP_S = 2.0
LOCKED_LEAST, LOCKED_CAP_S = timedelta(seconds=1), 15.0
"""Pauses of what was set aside: a lock that was held for long delays it by at most 15 s more."""


class Aftermath:
    """What one worker does about the deliveries that it could not handle."""

    def __init__(self, worker: "Worker", *, service: str, publisher: Publisher, clock: Callable[[], datetime]) -> None:
        self._worker, self._service, self._publisher, self._now = worker, service, publisher, clock
        self._chance = random.Random()  # noqa: S311 - jitter

    async def refuse(self, unreadable: Unreadable) -> None:
        """Bury a message that is no event for this subscription."""
        self._count("unreadable")
        await self._bury(unreadable.letter(self._worker.subscription.name))
        await unreadable.message.acknowledge()

    async def failed(self, delivery: Delivery, error: BaseException) -> None:
        """Carry out what the retry policy decides: schedule the delivery for later, or dead-letter it."""
        now = self._now()
        decision = retry_policy.after(
            error,
            attempt=delivery.attempt,
            attempts=delivery.reaction.attempts,
            chance=self._chance,
            failing_for=now - (delivery.failed_at or now),
        )
        why = f"{type(error).__name__}: {error}"
        log.warning(
            "handling failed",
            subscription=self._worker.subscription.name,
            event_id=str(delivery.envelope.id),
            type=delivery.envelope.type,
            attempt=delivery.attempt,
            decision=repr(decision),
            error=why,
            exc_info=error
            if isinstance(decision, retry_policy.Dead) and decision.reason == "attempts-exhausted"
            else None,
        )
        if isinstance(decision, retry_policy.Again) and not decision.counts:
            await self.postpone(delivery, decision.delay, why)
            return
        delivery.failed_at = delivery.failed_at or now
        if isinstance(decision, retry_policy.Dead):
            await self.give_up(delivery, decision.reason, why)
        else:
            self._count("retried")
            later = self._later(delivery, decision.delay, why, attempt=delivery.attempt + 1)
            await self._forget([delivery], [later], noted=[delivery])

    async def give_up(self, delivery: Delivery, reason: str, why: str) -> None:
        """Send the delivery to where people look; then forget it.

        What stands in a line is filed in the transaction that declares it dead: a crash leaves both or neither.
        """
        self._count("dead")
        letter = delivery.letter(self._worker.subscription.name, reason, why)
        if self._worker.lines is not None and delivery.key is not None:
            _tell(letter)
        else:
            await self._bury(letter)
        dead = self._later(delivery, None, why, attempt=delivery.attempt)
        await self._forget([delivery], [dead], noted=[delivery], letter=letter)

    async def postpone(self, delivery: Delivery, delay: timedelta, why: str) -> None:
        """Schedule a delivery that was no attempt to come again after `delay`. Its deaths are not forgotten."""
        await self._put_off([(delivery, delay, why)])

    async def set_aside(self, busy: Sequence[tuple[Delivery, BaseException]]) -> None:
        """Schedule deliveries that did not get a lock, or found the database too slow, for later: no attempt is spent.

        They come again at intervals that grow with the time that they have waited.
        """
        now = self._now()
        put_off = []
        for delivery, error in busy:
            waiting_for = now - (delivery.failed_at or now)
            delay = max(LOCKED_LEAST, retry_policy.in_proportion(waiting_for, self._chance, cap_s=LOCKED_CAP_S))
            put_off.append((delivery, delay, f"{type(error).__name__}: {error}"))
        _, error = busy[0]
        log.warning(
            "set aside: locked or too slow",
            subscription=self._worker.subscription.name,
            deliveries=len(busy),
            first_event_id=str(busy[0][0].envelope.id),
            error=repr(error),
        )
        await self._put_off(put_off)

    async def _put_off(self, put_off: Sequence[tuple[Delivery, timedelta, str]]) -> None:
        """Schedule deliveries for later, in one transaction; only the first time of each is noted in its story."""
        fresh = [delivery for delivery, _, _ in put_off if delivery.failed_at is None]
        entries = []
        for delivery, delay, why in put_off:
            self._count("postponed")
            delivery.failed_at = delivery.failed_at or self._now()
            entry = self._later(delivery, delay, why, attempt=delivery.attempt)
            entries.append(replace(entry, deaths=delivery.deaths))
        await self._forget([delivery for delivery, _, _ in put_off], entries, noted=fresh)

    def _later(self, delivery: Delivery, delay: timedelta | None, why: str, *, attempt: int) -> Entry:
        return Entry(
            subscription=self._worker.subscription.name,
            envelope=delivery.envelope,
            body=delivery.body,
            delay=delay,
            attempt=attempt,
            why=storable(why[:1000]),
            failed_at=delivery.failed_at,
            key=delivery.key,
            dead=delay is None,
        )

    async def _forget(
        self,
        deliveries: Sequence[Delivery],
        instead: Sequence[Entry],
        *,
        noted: Sequence[Delivery],
        letter: DeadLetter | None = None,
    ) -> None:
        """Replace deliveries by entries of the schedule, or the dead head of a line by its letter; then acknowledge."""
        name = self._worker.subscription.name
        pairs = list(zip(deliveries, instead, strict=True))

        async def forget(tx: Transaction) -> None:
            for delivery, entry in pairs:
                await self._replace(tx, delivery, entry, letter)
            claimed = [each.envelope.id for each in deliveries if each.claimed]
            if claimed:
                await claims.release(tx, name, claimed)
            await self._worker.clear(tx, deliveries)
            if noted:
                await incidents.note(
                    tx, [delivery.incident(name, "failed", entry.why) for delivery, entry in pairs if delivery in noted]
                )

        await self._worker.commits.surely(forget)
        await self._worker.settle(deliveries)

    async def _replace(self, tx: Transaction, delivery: Delivery, entry: Entry, letter: DeadLetter | None) -> None:
        if self._worker.lines is not None and delivery.key is not None:
            stands = await self._worker.lines.keep(tx, delivery, entry)
            if stands and letter is not None:
                properties = properties_of_dead(letter, self._service)
                await dead_letters.file(tx, [letter_of(properties, letter.body, self._service)])
            return
        if delivery.entry is not None:
            await schedule.remove(tx, [delivery.entry])
        if not entry.dead:
            tx.file(entry)

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

    def _count(self, outcome: str) -> None:
        metrics.process_total.labels(f"{self._service}.{self._worker.subscription.name}", outcome).inc()


def _tell(letter: DeadLetter) -> None:
    log.error("dead letter", subscription=letter.subscription, reason=letter.reason, error=letter.error, key=letter.key)
