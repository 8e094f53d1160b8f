"""The protocol bounds what a client may send on a connection, in size and in time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from marketplace_runtime.http import bounded_protocol
from marketplace_runtime.http.server import serve

ONE = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
OVER_LOOPBACK_S = 20


class Recorder:
    """An application that answers with the path, once the test lets it."""

    def __init__(self) -> None:
        self.state = SimpleNamespace(problem_type_prefix="urn:problem:test:")
        self.paths: list[str] = []
        self.may_continue = asyncio.Event()
        self.may_continue.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.paths.append(scope["path"])
        await self.may_continue.wait()
        body = scope["path"].encode()
        head = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def app() -> Recorder:
    return Recorder()


@asynccontextmanager
async def connected(app: Recorder) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with serve(app, host="127.0.0.1", http_port=0, ops_port=0) as ports:
        reader, writer = await asyncio.open_connection("127.0.0.1", ports.http)
        try:
            async with asyncio.timeout(OVER_LOOPBACK_S):
                yield reader, writer
        finally:
            writer.close()


async def send_until_cut_off(writer: asyncio.StreamWriter, piece: bytes, pieces: int) -> int:
    """Send until the other side closes. Returns how many pieces were sent."""
    for sent in range(pieces):
        try:
            writer.write(piece)
            await writer.drain()
        except ConnectionError:
            return sent
    return pieces


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n", b"X-A: b\r\n" * 2000),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX-A: ", b"a" * 16_000),
        (b"GET / HTTP/1.1\r\n", b"a" * 16_000),
        (b"GET /", b"a" * 16_000),
    ],
    ids=["many headers", "a long header", "a long name", "a long path"],
)
async def test_an_endless_head_is_refused_before_it_is_buffered(app: Recorder, start: bytes, more: bytes) -> None:
    async with connected(app) as (_, writer):
        writer.write(start)
        assert await send_until_cut_off(writer, more, 1000) < 1000
        assert app.paths == []


async def test_endless_trailers_are_refused(app: Recorder) -> None:
    app.may_continue.clear()
    async with connected(app) as (_, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-A: ")
        assert await send_until_cut_off(writer, b"a" * 16_000, 1000) < 1000
        app.may_continue.set()


async def test_a_large_body_does_not_count_as_a_large_head(app: Recorder) -> None:
    async with connected(app) as (reader, writer):
        writer.write(b"POST /large HTTP/1.1\r\nHost: a\r\nContent-Length: 1600000\r\n\r\n")
        assert await send_until_cut_off(writer, b"a" * 16_000, 100) == 100
        writer.write(ONE % 2)
        assert b"/large" in await reader.readuntil(b"/large")
        await reader.readuntil(b"\r\n\r\n/2")


async def test_input_that_is_not_http_is_answered_with_a_problem_and_the_connection_is_closed(app: Recorder) -> None:
    async with connected(app) as (reader, writer):
        writer.write(b"\x16\x03\x01 no http\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert b"content-type: application/problem+json" in head
        assert b"cache-control: no-store" in head
        assert b'"status":400' in body


async def test_rubbish_after_a_request_does_not_replace_the_requests_answer(app: Recorder) -> None:
    app.may_continue.clear()
    async with connected(app) as (reader, writer):
        writer.write(ONE % 1 + b"\x16\x03\x01 no http\r\n\r\n")
        assert await reader.read() == b""
        assert app.paths == ["/1"]
        app.may_continue.set()


async def test_requests_may_be_pipelined(app: Recorder) -> None:
    async with connected(app) as (reader, writer):
        writer.write(b"".join(ONE % number for number in range(50)))
        for number in range(50):
            await reader.readuntil(b"\r\n\r\n/%d" % number)


async def test_the_number_of_pipelined_requests_is_bounded(app: Recorder) -> None:
    app.may_continue.clear()
    async with connected(app) as (reader, writer):
        writer.write(b"".join(ONE % number for number in range(1000)))
        assert await reader.read() == b""
        assert app.paths == ["/0"]
        app.may_continue.set()


@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nHost:", ONE % 1 + b"GET "], ids=["silent", "slow", "later"])
async def test_a_connection_whose_head_does_not_arrive_is_closed(
    app: Recorder, start: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_protocol, "HEAD_TIMEOUT_S", 0.2)
    async with connected(app) as (reader, writer):
        writer.write(start)
        await reader.read()
        assert reader.at_eof()


async def test_the_timeout_of_heads_does_not_apply_to_answers(app: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_protocol, "HEAD_TIMEOUT_S", 0.1)
    app.may_continue.clear()
    async with connected(app) as (reader, writer):
        writer.write(ONE % 1)
        asyncio.get_running_loop().call_later(0.4, app.may_continue.set)
        await reader.readuntil(b"\r\n\r\n/1")


async def test_an_upgrade_request_is_answered_in_http(app: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    async with connected(app) as (reader, writer):
        writer.write(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n/ws")
    assert caplog.messages == []
