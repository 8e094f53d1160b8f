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

from marketplace_runtime.consumer import inbox
from marketplace_runtime.consumer.delivery import Delivery
from marketplace_runtime.database.database import Database
from marketplace_runtime.database.transaction import Transaction
from marketplace_runtime.external_calls import claims
from marketplace_runtime.resilience import within
from marketplace_runtime.telemetry import trace

if TYPE_CHECKING:
    from marketplace_runtime.consumer.worker import Worker

LEASE = timedelta(seconds=60)
"""How long a claim holds if its process neither finishes nor dies: to wait for a place, to ask, and to record."""
PLACE_WITHIN_S = 20.0
"""Who gets a place later than this after the claim does not ask: the lease might end before the answer is recorded."""
ASK_TIMEOUT_S = 30.0
CLAIMED_ELSEWHERE = timedelta(seconds=1)
AT_ONCE = timedelta(0)


class _TooLate(Exception):
    """The call had to wait so long for a place that its claim does not cover it any more."""


class Calls:
    """The outside calls that one worker has under way."""

    def __init__(self, worker: "Worker", database: Database, outside: Any) -> None:
        self._worker, self._aftermath, self._database, self._outside = worker, worker.aftermath, database, outside
        self._bulkhead = asyncio.Semaphore(worker.subscription.concurrency)
        self._most = worker.subscription.concurrency + worker.subscription.batch
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

    @property
    def crowded(self) -> bool:
        """Whether as many as a batch wait for a place: more would only wait their claims away."""
        return len(self._open) >= self._most

    async def quiet(self) -> None:
        """Wait until no call is under way."""
        await self._quiet.wait()

    async def start(self, deliveries: Sequence[Delivery]) -> None:
        """Claim and prepare `deliveries`, then let their calls run."""
        requests: dict[int, Any] = {}
        here: set[int] = set()
        elsewhere: set[int] = set()
        clock = asyncio.get_running_loop().time
        claimed_at = clock()

        async def prepare(tx: Transaction, batch: Sequence[Delivery]) -> None:
            nonlocal claimed_at
            claimed_at = clock()
            await self._prepare(tx, batch, requests, here, elsewhere)

        async def go_on(batch: Sequence[Delivery]) -> None:
            for delivery in batch:
                if id(delivery) in here and delivery.envelope.id in self._open:
                    self._held[delivery.envelope.id].append(delivery)
                elif id(delivery) in here:
                    self._worker.receive(delivery)  # the call ended while this delivery was being prepared
                elif id(delivery) in elsewhere:
                    await self._aftermath.postpone(delivery, CLAIMED_ELSEWHERE, "another delivery is making this call")
                elif id(delivery) in requests:
                    self._begin(delivery)
                    delivery.claimed = True
                    self._asking.create_task(self._ask(delivery, requests[id(delivery)], claimed_at))
            still_open = requests.keys() | here | elsewhere
            await self._worker.settle([each for each in batch if id(each) not in still_open])

        await self._worker.commits.each(deliveries, prepare, then=go_on)

    async def _prepare(
        self,
        tx: Transaction,
        batch: Sequence[Delivery],
        requests: dict[int, Any],
        here: set[int],
        elsewhere: set[int],
    ) -> None:
        """Claim and prepare the events of `batch`, and sort its deliveries into three sets.

        `requests` holds what to ask for those that make a call; `here` those of an event whose call this process
        makes for another delivery; `elsewhere` those of an event that another process has claimed.
        """
        name = self._worker.subscription.name
        for sorted_before in (requests, here, elsewhere):
            sorted_before.clear()
        by_id: dict[UUID, Delivery] = {}
        for each in batch:
            by_id.setdefault(each.envelope.id, each)
        open_here = by_id.keys() & self._open
        mine = await claims.take(tx, name, [each for each in by_id if each not in open_here], LEASE)
        # Read after the claim: whoever held it before has released it in the transaction that wrote the inbox.
        done = await inbox.known(tx, name, list(by_id))
        claimed = [by_id[event_id] for event_id in by_id if event_id in mine - done]
        for each in batch:
            event_id = each.envelope.id
            if event_id in done or (event_id in mine and each is by_id[event_id]):
                continue
            (here if event_id in mine | open_here else elsewhere).add(id(each))
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

    async def _ask(self, delivery: Delivery, request: Any, claimed_at: float) -> None:
        call = delivery.reaction.call
        assert call is not None, "only reactions with a call come here"  # noqa: S101 - narrows the type
        try:
            async with self._bulkhead:
                if asyncio.get_running_loop().time() > claimed_at + PLACE_WITHIN_S:
                    raise _TooLate
                async with within(ASK_TIMEOUT_S):
                    with trace(delivery.envelope.traceparent, event_id=str(delivery.envelope.id)):
                        answer = await call.ask(request, self._outside)
        except _TooLate:
            settled = self._aftermath.postpone(delivery, AT_ONCE, "no place was free in time")
        except Exception as error:  # noqa: BLE001 - an unknown outcome: the retry rule decides
            settled = self._aftermath.failed(delivery, error)
        else:
            self._answered.put_nowait((delivery, answer))
            return
        try:
            await settled
        finally:
            self._close([delivery])

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
        was_crowded = self.crowded
        for delivery in deliveries:
            self._open.remove(delivery.envelope.id)
            self._worker.gate.leave()
            for held in self._held.pop(delivery.envelope.id, ()):
                self._worker.receive(held)
        if was_crowded and not self.crowded:
            self._database.schedule_ready.set()
        if not self._open:
            self._quiet.set()
        self._worker.note_idle()
