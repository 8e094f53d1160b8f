"""The stack answers 503 for a service without a listening replica; a listening replica answers itself."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from infra.stack.maintenance_responder import MaintenanceResponder
from infra.stack.ports import Ports


@asynccontextmanager
async def a_replica(port: int, content: bytes) -> AsyncIterator[None]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + content)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port, reuse_port=True)
    yield
    server.close()


async def post(port: int, body: bytes = b"") -> bytes:
    """Send a POST and return the whole answer. Raises `OSError` if nobody listens."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /carts HTTP/1.1\r\nHost: cart\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    return answer


async def until_answer_contains(port: int, content: bytes) -> None:
    """Wait until an answer contains `content`."""
    async with asyncio.timeout(5):
        while True:
            with contextlib.suppress(OSError):
                if content in await post(port):
                    return
            await asyncio.sleep(0.01)


@pytest.fixture
def ports() -> Ports:
    return Ports()


async def test_it_answers_with_retry_after_even_to_a_large_request(ports: Ports) -> None:
    responder = MaintenanceResponder("cart", ports.of("cart-http"))
    await responder.start_listening()
    head, _, body = (await post(ports.of("cart-http"), b"x" * 1_000_000)).partition(b"\r\n\r\n")
    responder.stop_listening()
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: 1\r\n" in head
    assert json.loads(body)["status"] == 503
    with pytest.raises(ConnectionRefusedError):
        await post(ports.of("cart-http"))


async def test_a_replica_answers_as_soon_as_it_listens_and_the_maintenance_responder_when_it_is_gone(
    ports: Ports,
) -> None:
    shared, own = ports.of("cart-http"), ports.of("cart.1-ops")
    ready, news = False, asyncio.Condition()
    responder = MaintenanceResponder("cart", shared)
    covering = asyncio.create_task(responder.answer_while_unserved(lambda: ready, lambda: [own], news))

    async def becomes(now: bool) -> None:
        nonlocal ready
        ready = now
        async with news:
            news.notify_all()

    try:
        await until_answer_contains(shared, b"503 Service Unavailable")
        async with a_replica(shared, b"served"), a_replica(own, b"own"):
            await until_answer_contains(shared, b"served")
            await becomes(True)
            responder.stop_listening()  # a supervisor that knows of the replica ends the stand-in at once
            assert {b"served" in await post(shared) for _ in range(30)} == {True}
        await becomes(False)
        await until_answer_contains(shared, b"503 Service Unavailable")
    finally:
        covering.cancel()
        ports.release()
