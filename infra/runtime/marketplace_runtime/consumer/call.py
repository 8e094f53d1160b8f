"""Makes external calls in three steps, so that no transaction is open while a call runs.

*Prepare* claims the event and stores the request. The call then runs in the pool. *Record* stores the answer.
After a crash in between, the call is made again under the same idempotency key.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from marketplace_runtime.consumer import inbox
from marketplace_runtime.consumer.batch import Batch
from marketplace_runtime.consumer.decisions import AwaitCall, MakeCall, Postpone
from marketplace_runtime.consumer.deduplicate import Deduplicate
from marketplace_runtime.consumer.delivery import Delivery
from marketplace_runtime.consumer.handle import caused_by
from marketplace_runtime.consumer.load import load_for
from marketplace_runtime.consumer.quarantine import RunAloneGate
from marketplace_runtime.consumer.subscriptions import CallSteps, Subscription
from marketplace_runtime.database import Transaction
from marketplace_runtime.external_calls import LEASE, CallPool, CallResult, claims
from marketplace_runtime.telemetry import trace

CLAIMED_BY_ANOTHER_PROCESS = Postpone(timedelta(seconds=1), "another process is making this call")


class ExternalCalls:
    """Provides the stages of one subscription's external calls, and runs the calls in a pool.

    `clients` is passed to the step that makes the call.
    """

    def __init__(self, subscription: Subscription, deduplicate: Deduplicate, gate: RunAloneGate, clients: Any) -> None:
        self._name, self._batch_size, self._deduplicate = subscription.name, subscription.batch, deduplicate
        self._gate, self._clients = gate, clients
        self.pool = CallPool[Delivery](concurrency=subscription.concurrency, max_waiting=subscription.batch)

    async def prepare(self, tx: Transaction, batch: Batch) -> None:
        """Claim and prepare each event once, and decide about every delivery of it. This is a stage.

        - An event that was handled before, or needs no call, is entered into the inbox.
        - A delivery whose event has a call under way in this process awaits that call.
        - A delivery whose event is claimed by another process is postponed.
        """
        first_by_id: dict[UUID, Delivery] = {}
        for each in batch.deliveries:
            first_by_id.setdefault(each.envelope.id, each)
        under_way_here = first_by_id.keys() & self.pool.under_way
        claimed_at_s = asyncio.get_running_loop().time()
        newly_claimed = await claims.claim(
            tx, self._name, [each for each in first_by_id if each not in under_way_here], LEASE
        )
        # Read the inbox after claiming: the previous holder released its claim in the transaction that wrote the inbox.
        handled = await inbox.find_handled(tx, self._name, list(first_by_id))
        for each in batch.deliveries:
            id = each.envelope.id
            if id not in handled and not (id in newly_claimed and each is first_by_id[id]):
                # neither handled before nor the delivery that will make the call
                batch.decide(each, AwaitCall() if id in newly_claimed | under_way_here else CLAIMED_BY_ANOTHER_PROCESS)
        claimed = [first_by_id[id] for id in first_by_id if id in newly_claimed - handled]
        finished = [each for each in batch.deliveries if each.envelope.id in handled]
        await load_for(tx, claimed)
        for delivery in claimed:
            with caused_by(delivery, tx):
                request = await _steps(delivery).prepare(delivery.event, tx)
            if request is None:
                finished.append(delivery)
            else:
                batch.decide(delivery, MakeCall(request, claimed_at_s))
        if finished:
            await self._finish(tx, finished)

    async def record(self, tx: Transaction, batch: Batch) -> None:
        """Store the answers of calls that have ended. This is a stage."""
        fresh = await self._finish(tx, batch.deliveries)
        await load_for(tx, fresh)
        for delivery in fresh:
            with caused_by(delivery, tx):
                await _steps(delivery).record(delivery.event, delivery.answer, tx)

    async def _finish(self, tx: Transaction, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Enter deliveries into the inbox and release their claims. Returns those that were not handled before."""
        fresh = await self._deduplicate.enter(tx, deliveries)
        await claims.release(tx, self._name, [each.envelope.id for each in deliveries])
        return fresh

    def start(self, delivery: Delivery, decision: MakeCall) -> None:
        """Start the call that was prepared. While it is under way, this process runs no suspected poison message."""
        delivery.claimed = True
        self._gate.enter_without_waiting()

        async def call() -> Any:
            with trace(delivery.envelope.traceparent, event_id=str(delivery.envelope.id)):
                return await _steps(delivery).call(decision.request, self._clients)

        self.pool.start(delivery.envelope.id, delivery, call, claimed_at_s=decision.claimed_at_s)

    def hold(self, delivery: Delivery) -> bool:
        """Keep a delivery until the outcome of its event's call is processed. Returns False if no call is under way."""
        return self.pool.hold(delivery.envelope.id, delivery)

    async def next_ended_calls(self) -> list[CallResult[Delivery]]:
        """Wait for ended calls, and return up to a batch of them. Stores each answer in its delivery."""
        ended = await self.pool.next_results(self._batch_size)
        for each in ended:
            each.job.answer = each.answer
        return ended

    def close(self, ended: Sequence[CallResult[Delivery]]) -> list[Delivery]:
        """Remove calls whose outcome was processed. Returns the deliveries that were held for them."""
        held: list[Delivery] = []
        for each in ended:
            held += self.pool.close(each.key)
            self._gate.leave()
        return held


def _steps(delivery: Delivery) -> CallSteps:
    call = delivery.reaction.call
    assert call is not None, "the reaction has no external call"  # noqa: S101 - narrows the type
    return call
