"""A suspected poison message counts as in progress from its receipt to its release."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

from contracts import Envelope
from contracts.cart import CartCheckedOutV1
from marketplace_runtime.consumer import Delivery, on
from marketplace_runtime.consumer.quarantine import Quarantine
from marketplace_runtime.consumer.transactions import Transactions
from marketplace_runtime.database import new_id
from marketplace_runtime.telemetry import new_traceparent


async def test_a_suspect_counts_as_in_progress_while_its_deaths_are_looked_up() -> None:
    looking, found = asyncio.Event(), asyncio.Event()

    async def commit_with_retries(_: object) -> dict[object, int]:
        looking.set()
        await found.wait()
        return {}

    async def handle(*_: object) -> None: ...

    quarantine = Quarantine("carts", cast("Transactions", SimpleNamespace(commit_with_retries=commit_with_retries)))
    envelope = Envelope(new_id(), CartCheckedOutV1.type, "cart", "cart/1", datetime.now(UTC), new_traceparent())
    delivery = Delivery(envelope, b"", on(CartCheckedOutV1, handle), is_suspect=True)
    async with asyncio.timeout(5):
        quarantine.receive(delivery)
        waiting = asyncio.create_task(quarantine.next())
        await looking.wait()
        assert quarantine.is_busy
        found.set()
        assert await waiting == (delivery, 0)
    assert quarantine.is_busy
    quarantine.release()
    assert not quarantine.is_busy
