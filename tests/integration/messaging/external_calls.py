"""Provides a subscription with external calls, and a provider that counts its calls."""

import asyncio
from collections import Counter
from uuid import UUID

from contracts.cart import CartCheckedOutV1
from marketplace_runtime.consumer import on, subscription
from marketplace_runtime.database import Transaction
from marketplace_runtime.resilience import remaining_s
from tests.integration.messaging.toy import effect


class Provider:
    """Counts the calls, and answers when a test lets it."""

    def __init__(self) -> None:
        self.asked = Counter[UUID]()
        self.at_once = self.most_at_once = 0
        self.answering = asyncio.Event()
        self.answering.set()
        self.failures = 0
        self.left_s: list[float | None] = []
        """The time that each call had left when it was made."""


async def prepare(event: CartCheckedOutV1, tx: Transaction) -> UUID | None:
    await effect(tx, event.order_id, "prepared")
    return event.order_id if event.total.amount > 0 else None


async def make_call(order_id: UUID, provider: Provider) -> str:
    provider.asked[order_id] += 1
    provider.left_s.append(remaining_s())
    provider.at_once += 1
    provider.most_at_once = max(provider.most_at_once, provider.at_once)
    try:
        await provider.answering.wait()
        if provider.failures:
            provider.failures -= 1
            raise ConnectionError("no answer")
    finally:
        provider.at_once -= 1
    return "yes"


async def record(event: CartCheckedOutV1, answer: str, tx: Transaction) -> None:
    await effect(tx, event.order_id, answer)


TABLE = subscription("carts", on(CartCheckedOutV1, prepare=prepare, call=make_call, record=record), concurrency=4)


async def calling(provider: Provider) -> bool:
    return provider.at_once == 1
