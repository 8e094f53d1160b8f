"""Outside calls of a subscription: claim and prepare, ask without a transaction, record.

Each step of many events shares a transaction; the calls in between run side by side, up to the
subscription's `concurrency`.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from infra.messaging.delivery import Delivery
from infra.resilience import within
from infra.storage import Database, Transaction, claims, inbox
from infra.telemetry import trace

if TYPE_CHECKING:
    from infra.messaging.worker import Worker

LEASE = timedelta(seconds=60)
"""How long a claim holds if its process neither finishes nor dies. Longer than a call can take."""
ASK_TIMEOUT_S = 30.0
CLAIMED_ELSEWHERE = timedelta(seconds=1)


class Calls:
    """The outside calls that one worker has under way."""

    def __init__(self, worker: "Worker", database: Database, outside: Any) -> None:
        self._worker, self._database, self._outside = worker, database, outside
        self._bulkhead = asyncio.Semaphore(worker.subscription.concurrency)
        self._answered: asyncio.Queue[tuple[Delivery, Any]] = asyncio.Queue()
        self._asking = asyncio.TaskGroup()
        self._open: set[UUID] = set()
        self._held: defaultdict[UUID, list[Delivery]] = defaultdict(list)
        """Further deliveries of an event whose call is under way here: its other version, or a duplicate."""
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def under_way(self) -> bool:
        return bool(self._open)

    async def quiet(self) -> None:
        """Wait until no call is under way."""
        await self._quiet.wait()

    async def start(self, deliveries: Sequence[Delivery]) -> None:
        """Claim and prepare `deliveries`, then let their calls run."""
        requests: dict[int, Any] = {}
        elsewhere: set[int] = set()

        async def prepare(tx: Transaction, batch: Sequence[Delivery]) -> None:
            await self._prepare(tx, batch, requests, elsewhere)

        async def go_on(batch: Sequence[Delivery]) -> None:
            for delivery in batch:
                if id(delivery) in elsewhere and delivery.envelope.id in self._open:
                    self._held[delivery.envelope.id].append(delivery)
                elif id(delivery) in elsewhere:
                    await self._worker.postpone(
                        delivery, CLAIMED_ELSEWHERE, "another delivery is making this call", attempt=delivery.attempt
                    )
                elif id(delivery) in requests:
                    self._begin(delivery)
                    delivery.claimed = True
                    self._asking.create_task(self._ask(delivery, requests[id(delivery)]))
            await self._worker.settle(
                [each for each in batch if id(each) not in requests and id(each) not in elsewhere]
            )

        await self._worker.commits.each(deliveries, prepare, then=go_on)

    async def _prepare(
        self, tx: Transaction, batch: Sequence[Delivery], requests: dict[int, Any], elsewhere: set[int]
    ) -> None:
        name = self._worker.subscription.name
        by_id: dict[UUID, Delivery] = {}
        for each in batch:
            by_id.setdefault(each.envelope.id, each)
            requests.pop(id(each), None)
            elsewhere.discard(id(each))
        done = await inbox.known(tx, name, list(by_id))
        mine = await claims.take(
            tx, name, [each for each in by_id if each not in done and each not in self._open], LEASE
        )
        claimed = [by_id[event_id] for event_id in by_id if event_id in mine]
        elsewhere.update({id(each) for each in batch if each.envelope.id not in done} - {id(each) for each in claimed})
        await self._worker.load(tx, claimed)
        nothing_to_ask = [each for each in batch if each.envelope.id in done]
        for delivery in claimed:
            call = delivery.reaction.call
            assert call is not None, "only reactions with a call come here"  # noqa: S101 - narrows the type
            tx.cause = delivery.envelope
            with trace(delivery.envelope.traceparent, event_id=str(delivery.envelope.id)):
                request = await call.prepare(delivery.event, tx)
            if request is None:
                nothing_to_ask.append(delivery)
            else:
                requests[id(delivery)] = request
        if nothing_to_ask:
            await self._worker.enter(tx, nothing_to_ask)
            await claims.release(tx, name, [each.envelope.id for each in nothing_to_ask])

    async def _ask(self, delivery: Delivery, request: Any) -> None:
        call = delivery.reaction.call
        assert call is not None, "only reactions with a call come here"  # noqa: S101 - narrows the type
        try:
            async with self._bulkhead, within(ASK_TIMEOUT_S):
                with trace(delivery.envelope.traceparent, event_id=str(delivery.envelope.id)):
                    answer = await call.ask(request, self._outside)
        except Exception as error:  # noqa: BLE001 - an unknown outcome: the retry rule decides
            try:
                await self._worker.failed(delivery, error)
            finally:
                self._close([delivery])
        else:
            self._answered.put_nowait((delivery, answer))

    async def run(self) -> None:
        """Record answers as they come, many in one transaction, until cancelled."""
        async with self._asking:
            while True:
                answered = [await self._answered.get()]
                while not self._answered.empty() and len(answered) < self._worker.subscription.batch:
                    answered.append(self._answered.get_nowait())
                answers = {id(delivery): answer for delivery, answer in answered}

                async def record(tx: Transaction, batch: Sequence[Delivery], answers: dict[int, Any] = answers) -> None:
                    await self._record(tx, batch, answers)

                deliveries = [delivery for delivery, _ in answered]
                await self._worker.commits.each(deliveries, record, then=self._worker.settle)
                self._close(deliveries)

    async def _record(self, tx: Transaction, batch: Sequence[Delivery], answers: dict[int, Any]) -> None:
        fresh = await self._worker.enter(tx, batch)
        await claims.release(tx, self._worker.subscription.name, [each.envelope.id for each in batch])
        await self._worker.load(tx, fresh)
        for delivery in fresh:
            call = delivery.reaction.call
            assert call is not None, "only reactions with a call come here"  # noqa: S101 - narrows the type
            tx.cause = delivery.envelope
            with trace(delivery.envelope.traceparent, event_id=str(delivery.envelope.id)):
                await call.record(delivery.event, answers[id(delivery)], tx)

    def _begin(self, delivery: Delivery) -> None:
        self._open.add(delivery.envelope.id)
        self._quiet.clear()
        self._worker.gate.join()

    def _close(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._open.remove(delivery.envelope.id)
            self._worker.gate.leave()
            for held in self._held.pop(delivery.envelope.id, ()):
                self._worker.receive(held)
        if not self._open:
            self._quiet.set()
        self._worker.note_idle()
