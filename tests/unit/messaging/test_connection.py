"""A cancelled `keep_connected` ends, whatever it is doing at that moment."""

import asyncio
from collections.abc import Callable

import aio_pika
import pytest

from marketplace_runtime.amqp import keep_connected


class Connection:
    """A fake with the part of the client's connection that is used here."""

    def __init__(self) -> None:
        self.close_callbacks: set[Callable[[object, BaseException | None], None]] = set()

    async def close(self) -> None: ...


async def test_a_task_cancelled_while_it_closes_a_lost_connection_does_not_reconnect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connections: list[Connection] = []
    used, ending, end = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def connect(*_: object, **__: object) -> Connection:
        connections.append(Connection())
        return connections[-1]

    async def use(_: object) -> None:
        used.set()
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            await end.wait()

    monkeypatch.setattr(aio_pika, "connect", connect)
    keeping = asyncio.create_task(keep_connected("", "test", use))
    async with asyncio.timeout(5):
        await used.wait()
        for lose in connections[0].close_callbacks:
            lose(connections[0], ConnectionError("lost"))
        await ending.wait()
    keeping.cancel()
    end.set()
    done, _ = await asyncio.wait({keeping}, timeout=1)
    assert done
    assert keeping.cancelled()
    assert len(connections) == 1
