"""A suspect counts as under way from when it is received until it is settled."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from contracts import Envelope
from contracts.cart import CartCheckedOutV1
from marketplace_runtime.consumer import on
from marketplace_runtime.consumer.delivery import Delivery
from marketplace_runtime.consumer.quarantine import Gate, Isolation
from marketplace_runtime.database.ids import new_id
from marketplace_runtime.telemetry import new_traceparent

if TYPE_CHECKING:
    from marketplace_runtime.consumer.worker import Worker


async def test_a_suspect_is_under_way_while_its_deaths_are_looked_up() -> None:
    looking, found, ran, over = (asyncio.Event() for _ in range(4))

    async def surely(_: object) -> dict[object, int]:
        looking.set()
        await found.wait()
        return {}

    async def run(_: Delivery) -> None:
        ran.set()

    async def handle(*_: object) -> None: ...

    worker = SimpleNamespace(
        subscription=SimpleNamespace(name="carts"),
        commits=SimpleNamespace(surely=surely),
        gate=Gate(),
        note_idle=over.set,
    )
    isolation = Isolation(cast("Worker", worker), run)
    envelope = Envelope(new_id(), CartCheckedOutV1.type, "cart", "cart/1", datetime.now(UTC), new_traceparent())
    running = asyncio.create_task(isolation.run())
    async with asyncio.timeout(5):
        isolation.receive(Delivery(envelope, b"", on(CartCheckedOutV1, handle), suspect=True))
        await looking.wait()
        assert isolation.busy
        found.set()
        await over.wait()
    assert ran.is_set()
    assert not isolation.busy
    running.cancel()
