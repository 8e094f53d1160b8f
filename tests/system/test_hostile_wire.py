"""Unknown methods, rubbish in headers, and bytes that are not valid HTTP."""

import asyncio
from urllib.parse import urlsplit

import pytest

from tests.system.http_requests import PROBLEM, operations, well_formed_answer
from tests.system.marketplace import Visit


async def test_an_unknown_method_is_405_with_the_allowed_methods(visit: Visit) -> None:
    methods: dict[tuple[str, str], set[str]] = {}
    for operation in await operations(visit):
        methods.setdefault((operation.service, operation.path), set()).add(operation.method)
    for (service, path), allowed in methods.items():
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"} - allowed:
            answer = await well_formed_answer(visit, method, service, path)
            assert (answer.status, set(answer.headers["Allow"].split(", "))) == (405, allowed), (service, method, path)


@pytest.mark.parametrize(
    "headers",
    [
        {"traceparent": "00-" + "0" * 32 + "-" + "0" * 16 + "-00"},
        {"traceparent": "'; drop table products; --"},
        {"traceparent": "x" * 5000, "tracestate": "y" * 5000},
        {
            "Content-Length": "0",
            "X-Forwarded-For": "127.0.0.1",
            "X-Forwarded-Host": "evil",
            "X-HTTP-Method-Override": "DELETE",
        },
        {"Accept": "text/html", "Accept-Encoding": "identity;q=0, *;q=0", "Accept-Language": "\\"},
        {"Range": "bytes=0-", "If-None-Match": "*", "If-Modified-Since": "never"},
        {"Host": "evil.example", "Origin": "null", "Referer": "javascript:alert(1)"},
        {"Cookie": "a=b; " * 500},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
    ids=",".join,
)
async def test_rubbish_in_headers_changes_no_answer(visit: Visit, headers: dict[str, str]) -> None:
    for service in visit.marketplace.state["services"]:
        plain, odd = (
            await well_formed_answer(visit, "GET", service, "/openapi.json"),
            await well_formed_answer(visit, "GET", service, "/openapi.json", headers=headers),
        )
        assert (odd.status, odd.raw) == (200, plain.raw)
        assert "evil" not in str(odd.headers)
        assert "Access-Control-Allow-Origin" not in odd.headers


@pytest.mark.parametrize(
    "head",
    [
        b"\x16\x03\x01 what is this\r\n\r\n",
        b"GET /products/" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /products/\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /products HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        b"POST /products HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /products HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /products HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /products HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\n",
        b"POST /products HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 100_000 + b"\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=lambda head: ascii(head[:30]),
)
async def test_invalid_http_is_answered_with_a_problem(visit: Visit, head: bytes) -> None:
    for service in visit.marketplace.state["services"]:
        at = urlsplit(visit.base(service))
        async with asyncio.timeout(20):
            reader, writer = await asyncio.open_connection(at.hostname, at.port)
            writer.write(head)
            answer = await reader.readuntil(b"\r\n\r\n")
            writer.close()
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 404 ", b"HTTP/1.1 413 ")), answer
        assert PROBLEM.encode() in answer
