"""Takes parcels from booking to delivery, and reports each step to the marketplace by a signed callback.

Each parcel that is on its way has a task. A step is durable before its callback is sent. A callback is repeated until
it is accepted (2xx), also after a restart. So a step may be reported twice, with the same `webhook-id`.
"""

import asyncio
import json
import random
import time
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlsplit

import aiohttp
from standardwebhooks import Webhook

from infra.lab.stand_ins.ledger import Ledger
from infra.lab.stand_ins.parcels import Parcel, State, advance, parcels_on_their_way
from marketplace_runtime.telemetry import get_logger

MIN_BACKOFF_S, MAX_BACKOFF_S = 0.25, 5.0
CALLBACK_TIMEOUT_S = 5.0
MAX_CONCURRENT_CALLBACKS = 16

_log = get_logger(__name__)


class CarrierCallbacks:
    """Runs the parcels of both carriers. `start` resumes those that an earlier process left on their way."""

    def __init__(self, ledger: Ledger, *, secret: str, dispatch_after_s: float, deliver_after_s: float) -> None:
        self._ledger = ledger
        self._webhook = Webhook(secret)
        self.dispatch_after_s = dispatch_after_s
        self._deliver_after_s = deliver_after_s
        self._parcel_tasks: set[asyncio.Task[None]] = set()
        self._callback_slots = asyncio.Semaphore(MAX_CONCURRENT_CALLBACKS)
        self._unreachable_until: dict[str, float] = {}
        self._http: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Opens an HTTP session and resumes every parcel that is on its way."""
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALLBACK_TIMEOUT_S))
        for parcel in await self._ledger.run(parcels_on_their_way):
            self.start_parcel_task(parcel)

    async def stop(self) -> None:
        """Cancels all tasks. The ledger has the state of each parcel."""
        for task in self._parcel_tasks:
            task.cancel()
        await asyncio.gather(*self._parcel_tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.close()

    def start_parcel_task(self, parcel: Parcel) -> None:
        """Starts the task that takes the parcel from its present state to delivery."""
        task = asyncio.create_task(self._deliver_parcel(parcel))
        self._parcel_tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._parcel_tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("parcel task failed, resumes at the next start", exc_info=error)

    async def _deliver_parcel(self, initial: Parcel) -> None:
        parcel: Parcel | None = initial
        while parcel is not None and parcel.state is not State.DELIVERY_REPORTED:
            match parcel.state:
                case State.BOOKED:
                    await asyncio.sleep(parcel.due - time.time())
                    parcel = await self._advance(parcel, State.DISPATCHED, due=time.time() + self._deliver_after_s)
                case State.DISPATCHED:
                    await self._send_callback(parcel, "dispatched")
                    parcel = await self._advance(parcel, State.DISPATCH_REPORTED, due=parcel.due)
                case State.DISPATCH_REPORTED:
                    await asyncio.sleep(parcel.due - time.time())
                    parcel = await self._advance(parcel, State.DELIVERED, due=0)
                case State.DELIVERED:
                    await self._send_callback(parcel, "delivered")
                    parcel = await self._advance(parcel, State.DELIVERY_REPORTED, due=0)
                case _:  # cancelled
                    return

    async def _advance(self, parcel: Parcel, to: State, *, due: float) -> Parcel | None:
        return await self._ledger.run(partial(advance, part=parcel.part, key=parcel.key, to=to, due=due))

    async def _send_callback(self, parcel: Parcel, step: str) -> None:
        """Sends the callback, and repeats it until it is accepted."""
        url = str(parcel.callback_url)
        origin = urlsplit(url).netloc
        backoff_s = MIN_BACKOFF_S
        while True:
            async with self._callback_slots:
                reachable = time.monotonic() >= self._unreachable_until.get(origin, 0)
                if reachable and await self._post(url, origin, parcel, step):
                    return
            await asyncio.sleep(random.uniform(backoff_s / 2, backoff_s))  # noqa: S311 - jitter is no secret
            backoff_s = min(backoff_s * 2, MAX_BACKOFF_S)

    async def _post(self, url: str, origin: str, parcel: Parcel, step: str) -> bool:
        body = json.dumps(
            {
                "type": f"shipment.{step}",
                "timestamp": parcel.since,
                "data": {
                    "shipment_id": parcel.shipment_id,
                    "order_id": parcel.order_id,
                    "tracking_code": parcel.tracking_code,
                    "carrier": parcel.part.removeprefix("carriers-"),
                },
            }
        )
        sent = datetime.now(UTC)
        webhook_id = f"{parcel.tracking_code}.{step}"
        headers = {
            "content-type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(sent.timestamp())),
            "webhook-signature": self._webhook.sign(webhook_id, sent, body),
        }
        if self._http is None:
            raise RuntimeError("call start() before start_parcel_task()")
        try:
            async with self._http.post(url, data=body, headers=headers) as answer:
                if not answer.ok:
                    _log.info("callback refused", url=url, status=answer.status, order_id=parcel.order_id)
                return answer.ok
        except (aiohttp.ClientError, TimeoutError):
            # The origin is unreachable. Other parcels need not try it before the backoff has passed.
            self._unreachable_until[origin] = time.monotonic() + MIN_BACKOFF_S
            return False
