"""The gateway bounds what one client may send, and how long it may take."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from infra.stack.gateway import GatewaySettings
from infra.stack.gateway.settings import MAX_BODY_BYTES
from tests.integration.gateway.running import Running, running_gateway
from tests.system.marketplace import until


async def chunks(total: int) -> AsyncIterator[bytes]:
    for _ in range(0, total, 1024):
        yield b"x" * 1024


async def test_a_body_of_the_maximum_size_is_passed_on(gateway: Running) -> None:
    for body in (b"x" * MAX_BODY_BYTES, chunks(MAX_BODY_BYTES)):
        answer = await gateway.request("POST", "/public", data=body)
        assert (answer.status, len(answer.json["body"])) == (200, MAX_BODY_BYTES)


async def test_a_larger_body_is_refused(gateway: Running) -> None:
    before = len(gateway.echo.requests)
    head = b"POST /public HTTP/1.1\r\nHost: x\r\n"
    for rest in (
        b"Content-Length: %d\r\n\r\n%s" % (MAX_BODY_BYTES + 1, b"x" * (MAX_BODY_BYTES + 1)),
        b"Content-Length: 3000000\r\n\r\n" + b"x" * 3_000_000,
        b"Transfer-Encoding: chunked\r\n\r\n" + b"400\r\n%s\r\n" % (b"x" * 1024) * 100,
    ):
        (await gateway.send(head + rest)).is_problem(413, "too-large")
    assert len(gateway.echo.requests) == before


@pytest.mark.parametrize(
    "headers",
    [
        b"X-Large: %s\r\n" % (b"x" * 1_000_000),
        b"".join(b"X-Large-%d: %s\r\n" % (each, b"x" * 1000) for each in range(70)),
        b"".join(b"X-Many-%d: x\r\n" % each for each in range(101)),
        b"Cookie: a=b\r\n" * 101,
    ],
    ids=["one of 1 MB", "70 kB in total", "many", "many of one name"],
)
async def test_too_large_or_too_many_headers_are_refused(gateway: Running, headers: bytes) -> None:
    answer = await gateway.send(b"GET /public HTTP/1.1\r\nHost: x\r\n%s\r\n" % headers)
    answer.is_problem(431, "headers-too-large")


async def test_a_path_that_is_too_long_is_refused(gateway: Running) -> None:
    answer = await gateway.send(b"GET /public?%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 70_000))
    answer.is_problem(431, "headers-too-large")


async def test_a_client_that_stops_in_the_middle_of_a_request_is_answered_and_disconnected(strict: Running) -> None:
    before, post = len(strict.echo.requests), b"POST /callback HTTP/1.1\r\nHost: x\r\n"
    answers = await asyncio.gather(
        strict.send(b"GET /pub"),
        strict.send(b"GET /callback HTTP/1.1\r\nHost: x\r\nX-Un"),
        strict.send(post + b"Content-Length: 10\r\n\r\nabc"),
        strict.send(post + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
    )
    for answer in answers:
        answer.is_problem(408, "slow-body")
        assert answer.headers["Connection"] == "close"
    assert len(strict.echo.requests) == before


async def test_a_refused_request_is_answered_before_its_body_arrives(gateway: Running) -> None:
    for method, path, status in ((b"POST", b"/nothing", 404), (b"DELETE", b"/public", 405), (b"PUT", b"/mine/1", 401)):
        answer = await gateway.send(b"%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc" % (method, path))
        assert answer.status == status


async def test_connections_beyond_the_limit_are_closed(tmp_path: Path) -> None:
    request = b"GET /public HTTP/1.1\r\nHost: x\r\n\r\n"
    async with running_gateway(tmp_path, GatewaySettings(max_connections=3)) as gateway:
        answered, connections = [], []
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.configuration.http_port)
            connections.append(writer)
            with contextlib.suppress(ConnectionError):
                writer.write(request)
                answered.append(await reader.readline())
        assert [each for each in answered if each] == [b"HTTP/1.1 200 OK\r\n"] * 3
        for writer in connections:
            writer.close()

        async def answers_again() -> bool:  # Envoy notices a moment later that they are closed
            with contextlib.suppress(aiohttp.ClientError):
                return (await gateway.request("GET", "/public")).status == 200
            return False

        await until(answers_again, 10)
