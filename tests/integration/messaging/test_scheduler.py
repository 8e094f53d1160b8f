"""Tests how often the scheduler polls."""

import asyncio
from typing import Any

import pytest

from contracts.cart import CartCheckedOutV1
from marketplace_runtime.consumer import on, subscription
from marketplace_runtime.database import Transaction, schedule
from marketplace_runtime.scheduler import scheduler
from marketplace_runtime.scheduler import table as scheduled
from tests.integration.messaging.due import schedule_due
from tests.integration.messaging.toy import Toy, a_checkout, effect, until


async def test_due_entries_of_a_full_worker_are_not_polled_continuously(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, may_continue, take = 0, asyncio.Event(), scheduled.lease_due

    async def count_and_take(*given: Any) -> list[schedule.ScheduleEntry]:
        nonlocal looks
        looks += 1
        return await take(*given)

    async def handle(event: CartCheckedOutV1, tx: Transaction) -> None:
        await may_continue.wait()
        await effect(tx, event.order_id)

    async with toy.running(subscription("carts", on(CartCheckedOutV1, handle), batch=1)) as checkout:

        async def is_full() -> bool:
            return checkout.workers["carts"].backlog >= 1

        await toy.publish(*(a_checkout() for _ in range(2)))
        await until(is_full)
        await schedule_due(toy.databases[-1], a_checkout())
        monkeypatch.setattr(scheduled, "lease_due", count_and_take)
        await asyncio.sleep(1)
        assert 1 <= looks <= 15

        for pause in ("POLL_S", "MIN_POLL_WHEN_FULL_S"):
            monkeypatch.setattr(scheduler, pause, 60)
        seen = looks
        toy.databases[-1].wake_ups.wake_scheduler()  # it may be polling already, and would pause for the long interval

        async def has_polled_once_more() -> bool:
            return looks > seen

        await until(has_polled_once_more)
        may_continue.set()
        await toy.until_effects(3)  # the worker reported free slots
