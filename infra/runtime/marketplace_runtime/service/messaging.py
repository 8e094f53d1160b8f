"""Runs all messaging of one service: relay, consumers, workers, scheduler, replays and dead-letter consumer."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from marketplace_runtime.amqp import (
    CONNECTION_ERRORS,
    Connection,
    ConnectionLost,
    IncomingMessage,
    Publisher,
    QueueConsumer,
    keep_connected,
)
from marketplace_runtime.consumer import RunAloneGate, Subscription, Worker, decode_message
from marketplace_runtime.database import Database
from marketplace_runtime.dead_letters import PREFETCH, DeadLetterConsumer
from marketplace_runtime.dead_letters import table as dead_letters
from marketplace_runtime.external_calls import liveness
from marketplace_runtime.outbox import Relay
from marketplace_runtime.replay import REPLAY_RATE, ReplayRunner
from marketplace_runtime.scheduler import CatchUpTracker, Scheduler
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

DRAIN_TIMEOUT_S = 8.0
"""Maximum time that a graceful shutdown waits for work under way."""
FLUSH_TIMEOUT_S = 1.0
"""Maximum time that it then waits for the relay to publish what is pending."""


class Messaging:
    """Runs one service's messaging.

    A graceful shutdown cancels the consumers, drains the workers, flushes the relay and closes the connections. If
    `run` is cancelled instead, everything ends at once.
    """

    def __init__(
        self,
        *,
        service: str,
        subscriptions: Sequence[Subscription],
        database: Database,
        broker_url: str,
        clients: Any,
        replay_rate: int = REPLAY_RATE,
    ) -> None:
        self._service, self._database, self._url = service, database, broker_url
        naming = database.naming
        self._publisher = Publisher(broker_url, f"{service} publishes", exchange=naming.exchange(service))
        self._relay = Relay(database, self._publisher)
        gate = RunAloneGate()
        self.workers = {
            each.name: Worker(
                each,
                service=service,
                database=database,
                publisher=self._publisher,
                store_dead_letters=dead_letters.store,
                clients=clients,
                gate=gate,
            )
            for each in subscriptions
        }
        self._dead_letter_consumer = DeadLetterConsumer(service, database)
        queue_consumers = {
            name: QueueConsumer(
                naming.queue(service, name),
                worker.subscription.prefetch,
                _receiver_for(worker, database),
                ordered=worker.subscription.ordered_by is not None,
            )
            for name, worker in self.workers.items()
            if worker.subscription.types
        }
        self._catch_up_tracker = CatchUpTracker(database, list(queue_consumers.values()))
        self._scheduler = Scheduler(database, self.workers, self._catch_up_tracker, dead_letters.store)
        self._replays = ReplayRunner(
            service=service,
            database=database,
            broker_url=broker_url,
            workers=self.workers,
            consumers=queue_consumers,
            rate=replay_rate,
            naming=naming,
        )
        self.consumers = [
            *queue_consumers.values(),
            QueueConsumer(naming.dead_letter_name(service), PREFETCH, self._dead_letter_consumer.receive),
        ]

    def health(self) -> dict[str, str]:
        """Return the state of each component: `ok`, or what is wrong with it."""
        state = {"publisher": "ok" if self._publisher.is_connected else "no connection to the broker"}
        for consumer in self.consumers:
            state[consumer.queue] = consumer.state
        for name, worker in self.workers.items():
            component = f"{self._service}.{name}"  # also the name of its queue, if it has one
            state[component] = (
                "paused: database unavailable" if worker.transactions.is_paused else state.get(component, "ok")
            )
        return state

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then shut down gracefully. Raises if a task fails, or ends before `stop` is set."""
        tasks = [asyncio.create_task(liveness.hold_lock(self._database))]  # first: before anything is claimed
        tasks += [asyncio.create_task(each.run()) for each in self.workers.values()]
        tasks.append(asyncio.create_task(self._dead_letter_consumer.run()))
        tasks.append(asyncio.create_task(self._catch_up_tracker.run()))
        tasks.append(asyncio.create_task(self._publisher.run()))
        tasks.append(asyncio.create_task(self._relay.run()))
        intake_tasks = [
            asyncio.create_task(keep_connected(self._url, f"{self._service} consumes", self._consume)),
            asyncio.create_task(self._scheduler.run()),
            asyncio.create_task(self._replays.run()),
        ]
        stopping = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait({*tasks, *intake_tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
                raise RuntimeError(f"a task of {self._service}'s messaging ended")
            intake_tasks[1].cancel()  # the scheduler
            await self._drain(intake_tasks[2])  # the replays
        finally:
            for task in (stopping, *intake_tasks, *tasks):
                task.cancel()
            await asyncio.gather(stopping, *intake_tasks, *tasks, return_exceptions=True)

    async def _drain(self, replay_task: asyncio.Task[None]) -> None:
        self._replays.stop()
        await asyncio.gather(*(consumer.stop() for consumer in self.consumers))
        try:
            async with asyncio.timeout(DRAIN_TIMEOUT_S):
                await asyncio.gather(replay_task, *(each.wait_until_drained() for each in self.workers.values()))
        except TimeoutError:
            log.warning("shutdown did not wait for all work under way", drain_s=DRAIN_TIMEOUT_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_TIMEOUT_S):
                await self._relay.wait_until_flushed()

    async def _consume(self, connection: Connection) -> None:
        try:
            async with asyncio.TaskGroup() as consumers:
                for consumer in self.consumers:
                    consumers.create_task(consumer.run(connection))
        except ExceptionGroup as group:
            if group.split(CONNECTION_ERRORS)[1] is not None:  # an error other than a lost connection
                raise
            raise ConnectionLost(repr(group.exceptions[0])) from group


def _receiver_for(worker: Worker, database: Database) -> Callable[[IncomingMessage], None]:
    def receive(message: IncomingMessage) -> None:
        worker.receive(decode_message(message, worker.subscription, database.now))

    return receive
