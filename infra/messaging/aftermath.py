"""What becomes of a delivery that could not be handled: it comes again later, or is buried where people look."""

import asyncio
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from infra.messaging import retry
from infra.messaging.dead import letter_of, properties_of_dead
from infra.messaging.delivery import Delivery, Unreadable
from infra.messaging.publisher import Publisher, Unconfirmed
from infra.storage import Transaction, claims, dead_letters, incidents, schedule, storable
from infra.storage.dead_letters import DeadLetter
from infra.storage.schedule import Entry
from infra.telemetry import get_logger, metrics

if TYPE_CHECKING:
    from infra.messaging.worker import Worker

log = get_logger(__name__)

REPUBLISH_CAP_S = 2.0


class Aftermath:
    """What one worker does about the deliveries that it could not handle."""

    def __init__(self, worker: "Worker", *, service: str, publisher: Publisher) -> None:
        self._worker, self._service, self._publisher = worker, service, publisher
        self._chance = random.Random()  # noqa: S311 - jitter

    async def refuse(self, unreadable: Unreadable) -> None:
        """Bury a message that is no event for this subscription."""
        self._count("unreadable")
        await self._bury(unreadable.letter(self._worker.subscription.name))
        await unreadable.message.acknowledge()

    async def failed(self, delivery: Delivery, error: BaseException) -> None:
        """Carry out what the retry rule decides: file the delivery for later, or bury it."""
        decision = retry.after(
            error, attempt=delivery.attempt, attempts=delivery.reaction.attempts, chance=self._chance
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
            exc_info=error if isinstance(decision, retry.Dead) and decision.reason == "attempts-exhausted" else None,
        )
        delivery.failed_at = delivery.failed_at or datetime.now(UTC)
        if isinstance(decision, retry.Dead):
            await self.give_up(delivery, decision.reason, why)
        else:
            self._count("retried")
            due = datetime.now(UTC) + decision.delay
            await self._forget(delivery, self._later(delivery, due, why, attempt=delivery.attempt + 1))

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
        await self._forget(delivery, self._later(delivery, None, why, attempt=delivery.attempt), letter)

    async def postpone(self, delivery: Delivery, delay: timedelta, why: str) -> None:
        """File a delivery that was not run to come again after `delay`: no attempt is spent, and no death forgotten."""
        entry = self._later(delivery, datetime.now(UTC) + delay, why, attempt=delivery.attempt)
        await self._forget(delivery, replace(entry, deaths=delivery.deaths))

    def _later(self, delivery: Delivery, due: datetime | None, why: str, *, attempt: int) -> Entry:
        return Entry(
            subscription=self._worker.subscription.name,
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
            if self._worker.lines is not None and delivery.key is not None:
                stands = await self._worker.lines.keep(tx, delivery, instead)
                if stands and letter is not None:
                    properties = properties_of_dead(letter, self._service)
                    await dead_letters.file(tx, [letter_of(properties, letter.body, self._service)])
            else:
                if delivery.entry is not None:
                    await schedule.remove(tx, [delivery.entry])
                if not instead.dead:
                    tx.file(instead)
            if delivery.claimed:
                await claims.release(tx, self._worker.subscription.name, [delivery.envelope.id])
            await self._worker.clear(tx, [delivery])
            await incidents.note(tx, [delivery.incident(self._worker.subscription.name, "failed", instead.why)])

        await self._worker.commits.surely(forget)
        await self._worker.settle([delivery])

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
