"""Call: external calls in three steps, so that no transaction is open while one runs.

*Prepare* claims the event and writes down what will be asked for; the call runs in the pool; *record* stores the
answer. A crash in between calls again under the same idempotency key.
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
from marketplace_runtime.external_calls import LEASE, CallPool, Ended, claims
from marketplace_runtime.telemetry import trace

CLAIMED_ELSEWHERE = Postpone(timedelta(seconds=1), "another delivery is making this call")


class Calls:
    """The stages of one subscription's external calls, and the pool in which they run. `client` makes the calls."""

    def __init__(self, subscription: Subscription, deduplicate: Deduplicate, gate: RunAloneGate, client: Any) -> None:
        self._name, self._batch_size, self._deduplicate = subscription.name, subscription.batch, deduplicate
        self._gate, self._client = gate, client
        self.pool = CallPool[Delivery](concurrency=subscription.concurrency, waiting=subscription.batch)

    async def prepare(self, tx: Transaction, batch: Batch) -> None:
        """Stage: claim and prepare each event once, and decide what is done about every delivery of it.

        One that was handled before, or needs no call, enters the inbox. One whose call is under way in this process
        waits for it; one that another process has claimed comes again later.
        """
        by_id: dict[UUID, Delivery] = {}
        for each in batch.deliveries:
            by_id.setdefault(each.envelope.id, each)
        open_here = by_id.keys() & self.pool.under_way
        claimed_at_s = asyncio.get_running_loop().time()
        ours = await claims.take(tx, self._name, [each for each in by_id if each not in open_here], LEASE)
        # Read after the claim: whoever held it before has released it in the transaction that wrote the inbox.
        handled = await inbox.known(tx, self._name, list(by_id))
        for each in batch.deliveries:
            id = each.envelope.id
            if id not in handled and not (id in ours and each is by_id[id]):
                batch.decide(each, AwaitCall() if id in ours | open_here else CLAIMED_ELSEWHERE)
        claimed = [by_id[id] for id in by_id if id in ours - handled]
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
        """Stage: store the answers of calls that have ended."""
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
        """Begin the call that was prepared. While it is under way its process runs no suspect."""
        delivery.claimed = True
        self._gate.join()

        async def call() -> Any:
            with trace(delivery.envelope.traceparent, event_id=str(delivery.envelope.id)):
                return await _steps(delivery).ask(decision.request, self._client)

        self.pool.start(delivery.envelope.id, delivery, call, claimed_at_s=decision.claimed_at_s)

    def hold(self, delivery: Delivery) -> bool:
        """Keep a delivery until the call for its event is closed. False if that has ended meanwhile."""
        return self.pool.hold(delivery.envelope.id, delivery)

    async def ended(self) -> list[Ended[Delivery]]:
        """Wait for calls that have ended, and keep their answers with their deliveries."""
        ended = await self.pool.ended(self._batch_size)
        for each in ended:
            each.job.answer = each.answer
        return ended

    def close(self, ended: Sequence[Ended[Delivery]]) -> list[Delivery]:
        """Forget calls that were dealt with. Returns the deliveries that were held for them."""
        held: list[Delivery] = []
        for each in ended:
            held += self.pool.close(each.key)
            self._gate.leave()
        return held


def _steps(delivery: Delivery) -> CallSteps:
    call = delivery.reaction.call
    assert call is not None, "only reactions with a call come here"  # noqa: S101 - narrows the type
    return call
