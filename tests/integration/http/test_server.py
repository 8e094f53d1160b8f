"""Serves a port for clients and one for operators, with a bounded, graceful shutdown."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from marketplace_runtime.http.server import Ports, serve
from tests.integration.outside.outside_process import free_port

Sends = Callable[[Any], Any]


def an_app(name: str, *, hold: asyncio.Event | None = None, held: asyncio.Event | None = None) -> Any:
    async def app(scope: Any, receive: Any, send: Sends) -> None:
        if hold is not None and scope["path"] == "/held":
            if held is not None:
                held.set()
            await hold.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
        await send({"type": "http.response.body", "body": name.encode()})

    return app


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        yield session


async def request(session: aiohttp.ClientSession, port: int, path: str = "/") -> str:
    async with session.get(f"http://127.0.0.1:{port}{path}") as response:
        return await response.text()


async def test_both_ports_answer(session: aiohttp.ClientSession) -> None:
    async with serve(an_app("a"), host="127.0.0.1", http_port=0, ops_port=0) as ports:
        assert await request(session, ports.http) == await request(session, ports.ops) == "a"


async def test_no_answer_names_the_server_software(session: aiohttp.ClientSession) -> None:
    async with serve(an_app("a"), host="127.0.0.1", http_port=0, ops_port=0) as ports:
        for port in (ports.http, ports.ops):
            async with session.get(f"http://127.0.0.1:{port}/") as response:
                assert "server" not in response.headers


async def test_each_replica_answers_on_ports_of_its_own(session: aiohttp.ClientSession) -> None:
    async with (
        serve(an_app("a"), host="127.0.0.1", http_port=0, ops_port=0) as first,
        serve(an_app("b"), host="127.0.0.1", http_port=0, ops_port=0) as second,
    ):
        assert {await request(session, port) for port in first} == {"a"}
        assert {await request(session, port) for port in second} == {"b"}


async def test_a_port_in_use_is_an_error_and_leaves_the_other_one_free(session: aiohttp.ClientSession) -> None:
    async with serve(an_app("a"), host="127.0.0.1", http_port=0, ops_port=0) as ports:
        free = free_port()
        for http, ops in ((ports.http, free), (free, ports.ops)):
            with pytest.raises(OSError, match="in use"):
                async with serve(an_app("b"), host="127.0.0.1", http_port=http, ops_port=ops):
                    pytest.fail("it listens")
        async with serve(an_app("b"), host="127.0.0.1", http_port=free, ops_port=0) as others:
            assert await request(session, others.http) == "b"


async def test_a_port_can_be_reused_at_once(session: aiohttp.ClientSession) -> None:
    ports = Ports(0, 0)
    for _ in range(2):
        async with serve(an_app("a"), host="127.0.0.1", http_port=ports.http, ops_port=ports.ops) as ports:
            assert await request(session, ports.ops) == "a"


async def test_active_requests_finish_before_shutdown(session: aiohttp.ClientSession) -> None:
    hold, held = asyncio.Event(), asyncio.Event()
    async with serve(an_app("a", hold=hold, held=held), host="127.0.0.1", http_port=0, ops_port=0) as ports:
        asking = asyncio.create_task(request(session, ports.http, "/held"))
        await held.wait()
        asyncio.get_running_loop().call_later(0.3, hold.set)
    assert await asking == "a"


async def test_a_request_that_does_not_end_is_cancelled_after_a_bounded_wait(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marketplace_runtime.http.server.GRACEFUL_SHUTDOWN_S", 0.0)
    held = asyncio.Event()
    app = an_app("a", hold=asyncio.Event(), held=held)
    async with asyncio.timeout(3):
        async with serve(app, host="127.0.0.1", http_port=0, ops_port=0) as ports:
            asking = asyncio.create_task(request(session, ports.http, "/held"))
            await held.wait()
        await asyncio.gather(asking, return_exceptions=True)


async def test_an_error_in_the_block_stops_the_server_too(session: aiohttp.ClientSession) -> None:
    ports = Ports(0, 0)
    with pytest.raises(RuntimeError):
        async with serve(an_app("a"), host="127.0.0.1", http_port=0, ops_port=0) as ports:
            raise RuntimeError
    with pytest.raises(aiohttp.ClientConnectorError):
        await request(session, ports.http)


async def test_the_server_leaves_signal_handlers_unchanged() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    async with serve(an_app("a"), host="127.0.0.1", http_port=0, ops_port=0):
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
