"""Runs one subscription: receives deliveries, runs them through the stages, and carries out the decisions.

The steps are: decode, order, deduplicate, load, handle, publish (into the outbox, with the commit), acknowledge.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from marketplace_runtime.amqp import InvalidMessage, Publisher
from marketplace_runtime.consumer.backlog import Backlog
from marketplace_runtime.consumer.batch import Stage, pipeline
from marketplace_runtime.consumer.call import ExternalCalls
from marketplace_runtime.consumer.decisions import DeadLetter, Outcome
from marketplace_runtime.consumer.decode import decode_entry, reaction_to
from marketplace_runtime.consumer.deduplicate import Deduplicate
from marketplace_runtime.consumer.delivery import Delivery, UnreadableMessage
from marketplace_runtime.consumer.execute import Executor, StoreDeadLetters
from marketplace_runtime.consumer.failure_policy import FailurePolicy
from marketplace_runtime.consumer.handle import handle
from marketplace_runtime.consumer.load import load
from marketplace_runtime.consumer.order import OrderByKey
from marketplace_runtime.consumer.quarantine import MAX_RUNS_ALONE, Quarantine, RunAloneGate
from marketplace_runtime.consumer.run_all import run_all
from marketplace_runtime.consumer.subscriptions import Reaction, Subscription
from marketplace_runtime.consumer.transactions import Transactions
from marketplace_runtime.database import Database, ScheduleEntry
from marketplace_runtime.external_calls import CallResult
from marketplace_runtime.scheduler import ReactionKind


class Worker:
    """Runs the handlers of one subscription in one process.

    Up to `batch` waiting deliveries share a transaction. A single delivery does not wait for more. If one of them
    fails, the transaction is rolled back and each delivery runs in its own. Inbox row, state, outbox and schedule
    commit together; the message is acknowledged only after that.
    """

    def __init__(
        self,
        subscription: Subscription,
        *,
        service: str,
        database: Database,
        publisher: Publisher,
        store_dead_letters: StoreDeadLetters,
        clients: Any,
        gate: RunAloneGate,
    ) -> None:
        self.subscription = subscription
        self._gate, self._database = gate, database
        self._policy = FailurePolicy(subscription.name, lambda: database.now)
        self.transactions = Transactions(database, f"{service}.{subscription.name}", self._policy)
        order = OrderByKey(subscription, subscription.ordered_by) if subscription.ordered_by else None
        deduplicate = Deduplicate(subscription.name)
        self.calls = ExternalCalls(subscription, deduplicate, gate, clients)
        self.stages = pipeline(order, deduplicate, load, handle)
        self.executor = Executor(
            service=service,
            subscription=subscription.name,
            transactions=self.transactions,
            calls=self.calls,
            order=order,
            publisher=publisher,
            store_dead_letters=store_dead_letters,
            dead_letter_exchange=database.naming.dead_letter_name(service),
            clock=lambda: database.now,
        )
        self._quarantine = Quarantine(subscription.name, self.transactions)
        self._backlog = Backlog(subscription.batch)
        self._is_handling = False
        self._idle = asyncio.Event()
        self._idle.set()

    # -- receiving deliveries ---------------------------------------------------------------------------

    def receive(self, delivery: Delivery | UnreadableMessage) -> None:
        """Accept a delivery. It will be acknowledged, or its source will deliver it again."""
        self._idle.clear()
        # An ordered subscription parks a suspect message in its key's queue first; the scheduler hands it over again.
        if isinstance(delivery, Delivery) and delivery.is_suspect and not (self.keeps_order and delivery.message):
            self._quarantine.receive(delivery)
        else:
            self._backlog.add(delivery)

    def receive_due(self, entry: ScheduleEntry) -> None:
        """Accept a due entry of the schedule."""
        self.receive(decode_entry(entry, self.subscription))

    def why_unhandled(self, type: str) -> InvalidMessage:
        """Return why the subscription does not handle events of this type. Raises AssertionError if it does."""
        try:
            reaction_to(type, self.subscription)
        except InvalidMessage as why:
            return why
        raise AssertionError(f"{type} is handled by this subscription")

    @property
    def types(self) -> Mapping[str, ReactionKind]:
        """Return the types of events that it handles, and how it handles each."""
        return {type: _kind(reaction) for type, reaction in self.subscription.reactions.items()}

    @property
    def keeps_order(self) -> bool:
        """Return whether events of one key are handled in order."""
        return self.subscription.ordered_by is not None

    @property
    def backlog(self) -> int:
        """Return how many deliveries wait to be handled, or for their call to be prepared."""
        return len(self._backlog)

    @property
    def has_room(self) -> bool:
        """Return whether less than one batch of deliveries is waiting."""
        return self._backlog.has_room

    def call_when_there_is_room(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, as soon as a batch was taken and there is room again. Not if there is room now."""
        self._backlog.call_when_there_is_room(callback)

    @property
    def types_with_room(self) -> Iterable[str]:
        """Return the event types that it can accept now: while the call pool is full, none that need a call."""
        if not self.calls.pool.is_full:
            return self.subscription.reactions
        return self.subscription.types_without_call

    # -- running ----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Handle deliveries until cancelled."""
        await run_all(self.calls.pool.run(), self._run_batches(), self._run_suspects(), self._run_calls())

    async def wait_until_drained(self) -> None:
        """Wait until everything that was received is acknowledged."""
        await self._idle.wait()

    async def _run_batches(self) -> None:
        while True:
            batch = await self._backlog.next_batch()
            self._is_handling = True
            await self.handle([each for each in batch if not each.is_lost])
            self._is_handling = False
            self._update_idle()

    async def _run_suspects(self) -> None:
        while True:
            delivery, incomplete_runs = await self._quarantine.next()
            if not delivery.is_lost:
                await self.run_alone(delivery, incomplete_runs)
            self._quarantine.release()
            self._update_idle()

    async def _run_calls(self) -> None:
        """Record the answers of calls as they arrive, many in one transaction. Failed calls do not delay them."""
        async with asyncio.TaskGroup() as failures:
            while True:
                ended = await self.calls.next_ended_calls()
                for each in ended:
                    if each.error is not None:
                        failures.create_task(self._act_on_failure(each, each.error))
                answered = [each for each in ended if each.error is None]
                await self._process([each.job for each in answered], self.calls.record)
                self._close(answered)

    async def _act_on_failure(self, call: CallResult[Delivery], error: BaseException) -> None:
        try:
            await self._execute(Outcome(decisions=[(call.job, self._policy.decide(call.job, error))]))
        finally:
            self._close([call])

    def _close(self, calls: Sequence[CallResult[Delivery]]) -> None:
        """Remove calls whose outcome was processed, and receive the deliveries that were held for them."""
        was_full = self.calls.pool.is_full
        for held in self.calls.close(calls):
            self.receive(held)
        if was_full and not self.calls.pool.is_full:
            self._database.wake_ups.wake_scheduler()
        self._update_idle()

    async def handle(self, batch: Sequence[Delivery | UnreadableMessage]) -> None:
        """Run a batch through the stages, concurrently with batches of other subscriptions."""
        for unreadable in [each for each in batch if isinstance(each, UnreadableMessage)]:
            await self.executor.dead_letter_unreadable(unreadable)
        deliveries = [each for each in batch if isinstance(each, Delivery)]
        if deliveries:
            await self._gate.enter()
            try:
                await self._run(deliveries)
            finally:
                self._gate.leave()

    async def run_alone(self, delivery: Delivery, incomplete_runs: int) -> None:
        """Run a suspect while no other handler of the process runs, or dead-letter it if it has had its runs.

        `incomplete_runs` is the number of runs alone that did not complete because the process died. After
        `MAX_RUNS_ALONE` of them, the suspect is not run again.
        """
        if incomplete_runs >= MAX_RUNS_ALONE:
            why = f"{incomplete_runs} processes died while they ran this event alone"
            await self._execute(Outcome(decisions=[(delivery, DeadLetter("poison", why))]))
            return
        async with self._gate.alone():
            await self._quarantine.count_run(delivery)
            await self._run([delivery])
            await self.calls.pool.wait_until_idle()

    async def _run(self, deliveries: Sequence[Delivery]) -> None:
        await self._process([each for each in deliveries if each.reaction.call is None], self.stages)
        await self._process([each for each in deliveries if each.reaction.call is not None], self.calls.prepare)

    async def _process(self, deliveries: Sequence[Delivery], stage: Stage) -> None:
        if deliveries:
            async with aclosing(self.transactions.run(deliveries, stage)) as outcomes:
                async for outcome in outcomes:
                    await self._execute(outcome)

    async def _execute(self, outcome: Outcome) -> None:
        for delivery in await self.executor.execute(outcome):
            self.receive(delivery)

    def _update_idle(self) -> None:
        if not (self.backlog or self._is_handling or self.calls.pool.under_way or self._quarantine.is_busy):
            self._idle.set()


def _kind(reaction: Reaction) -> ReactionKind:
    if reaction.deadline:
        return ReactionKind.DEADLINE
    return ReactionKind.HANDLER if reaction.call is None else ReactionKind.EXTERNAL_CALL
