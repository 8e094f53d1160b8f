"""The backlog returns deliveries in the order of their arrival, batch by batch."""

import asyncio
from typing import Any, cast

from marketplace_runtime.consumer.backlog import Backlog


def a_backlog(*waiting: str, batch: int = 2) -> Backlog:
    backlog = Backlog(batch)
    for each in waiting:
        backlog.add(cast("Any", each))
    return backlog


async def test_batches_are_in_the_order_of_arrival() -> None:
    backlog = a_backlog("a", "b", "c")
    assert await backlog.next_batch() == ["a", "b"]
    assert await backlog.next_batch() == ["c"]
    assert len(backlog) == 0


async def test_an_empty_backlog_waits_for_the_next_delivery() -> None:
    backlog = a_backlog("a")
    await backlog.next_batch()
    waiting = asyncio.create_task(backlog.next_batch())
    await asyncio.sleep(0)
    assert not waiting.done()
    backlog.add(cast("Any", "b"))
    assert await waiting == ["b"]


async def test_a_callback_is_called_once_when_there_is_room() -> None:
    backlog, calls = a_backlog("a", "b", "c", "d"), 0

    def call() -> None:
        nonlocal calls
        calls += 1

    backlog.call_when_there_is_room(call)
    await backlog.next_batch()
    assert (backlog.has_room, calls) == (False, 0)
    await backlog.next_batch()
    assert (backlog.has_room, calls) == (True, 1)
    backlog.add(cast("Any", "e"))
    await backlog.next_batch()
    assert calls == 1


async def test_a_callback_is_not_called_if_there_was_room_already() -> None:
    backlog, calls = a_backlog("a"), 0

    def call() -> None:
        nonlocal calls
        calls += 1

    backlog.call_when_there_is_room(call)
    await backlog.next_batch()
    assert calls == 0
