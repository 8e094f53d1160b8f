"""A service of which no replica listens is answered for; one that listens answers for itself."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from infra.stack.maintenance_responder import MaintenanceResponder
from infra.stack.ports import Ports


@asynccontextmanager
async def a_replica(port: int, said: bytes) -> AsyncIterator[None]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + said)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port, reuse_port=True)
    yield
    server.close()


async def asked(port: int, body: bytes = b"") -> bytes:
    """The whole answer to a POST. Raises `OSError` where nobody listens."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /carts HTTP/1.1\r\nHost: cart\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    return answer


async def answered(port: int, said: bytes) -> None:
    """Wait until this is said."""
    async with asyncio.timeout(5):
        while True:
            with contextlib.suppress(OSError):
                if said in await asked(port):
                    return
            await asyncio.sleep(0.01)


@pytest.fixture
def ports() -> Ports:
    return Ports()


async def test_it_says_when_to_ask_again_also_to_whoever_sends_much(ports: Ports) -> None:
    absence = MaintenanceResponder("cart", ports.of("cart-http"))
    await absence.begin()
    head, _, body = (await asked(ports.of("cart-http"), b"x" * 1_000_000)).partition(b"\r\n\r\n")
    absence.end()
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: 1\r\n" in head
    assert json.loads(body)["status"] == 503
    with pytest.raises(ConnectionRefusedError):
        await asked(ports.of("cart-http"))


async def test_a_replica_answers_as_soon_as_it_listens_and_the_absence_when_it_is_gone(ports: Ports) -> None:
    shared, own = ports.of("cart-http"), ports.of("cart.1-ops")
    ready, news = False, asyncio.Condition()
    absence = MaintenanceResponder("cart", shared)
    covering = asyncio.create_task(absence.cover(lambda: ready, lambda: [own], news))

    async def becomes(now: bool) -> None:
        nonlocal ready
        ready = now
        async with news:
            news.notify_all()

    try:
        await answered(shared, b"503 Service Unavailable")
        async with a_replica(shared, b"served"), a_replica(own, b"own"):
            await answered(shared, b"served")
            await becomes(True)
            absence.end()  # whoever knows that it is ready does not wait until the absence knows
            assert {b"served" in await asked(shared) for _ in range(30)} == {True}
        await becomes(False)
        await answered(shared, b"503 Service Unavailable")
    finally:
        covering.cancel()
        ports.release()
