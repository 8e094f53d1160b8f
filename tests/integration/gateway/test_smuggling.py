"""No request can be hidden in another one."""

import pytest

from tests.integration.gateway.running import Running

POST = b"POST /public HTTP/1.1\r\nHost: x\r\n"
HIDDEN = b"GET /mine HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
REFUSED = {
    "length and coding": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "coding and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + HIDDEN,
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 35\r\n\r\n" + HIDDEN,
    "the same length twice": POST + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
    "a list of lengths": POST + b"Content-Length: 4, 4\r\n\r\nabcd",
    "a length with a sign": POST + b"Content-Length: +4\r\n\r\nabcd",
    "a negative length": POST + b"Content-Length: -1\r\n\r\nabcd",
    "a hexadecimal length": POST + b"Content-Length: 0x4\r\n\r\nabcd",
    "a space before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "an unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a coding after chunked": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a coding before chunked": POST + b"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    "two codings": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunks that end with LF": CHUNKED + b"2\nab\n0\n\n",
    "a chunk extension that ends with LF": CHUNKED + b"2;a\nab\r\n0\r\n\r\n",
    "a chunk of enormous size": CHUNKED + b"ffffffffffffffffff\r\nab\r\n0\r\n\r\n",
    "no host": b"GET /public HTTP/1.1\r\n\r\n",
    "a header with NUL": b"GET /public HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n",
    "an underscore in a header": b"GET /public HTTP/1.1\r\nHost: x\r\nContent_Length: 4\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
}
UNDERSTOOD = {
    "bare LF": b"GET /public HTTP/1.1\nHost: x\n\n",
    "a folded header": b"GET /public HTTP/1.1\r\nHost: x\r\nX-A: a\r\n b\r\n\r\n",
    "a folded coding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a tab before the coding": POST + b"Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n",
    "a bare CR": b"GET /public HTTP/1.1\r\nHost: x\r\nX-A: a\rX-B: b\r\n\r\n",
    "a chunk extension": CHUNKED + b"2;a=b\r\nab\r\n0\r\n\r\n",
    "a trailer": CHUNKED + b"2\r\nab\r\n0\r\nX-Verified-User: root\r\n\r\n",
    "two hosts": b"GET /public HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "a body of a GET": b"GET /public HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab",
}


@pytest.mark.parametrize("fault", REFUSED)
async def test_an_ambiguous_request_is_refused(gateway: Running, fault: str) -> None:
    before = len(gateway.echo.requests)
    answer = await gateway.send(REFUSED[fault])
    answer.is_problem(answer.status, {400: "bad-request", 501: "not-supported"}[answer.status])
    assert answer.headers["Connection"] == "close"
    assert gateway.echo.requests[before:] == []


@pytest.mark.parametrize("oddity", UNDERSTOOD)
async def test_what_is_accepted_is_unambiguous_for_the_service(gateway: Running, oddity: str) -> None:
    before = len(gateway.echo.requests)
    answer = await gateway.send(UNDERSTOOD[oddity])
    assert answer.status == 200
    assert len(gateway.echo.requests) == before + 1
    names = [name for name, _ in answer.json["headers"]]
    assert len(names) == len(set(names))
    assert "x-verified-user" not in names
    assert ("transfer-encoding" in names) + ("content-length" in names) <= 1
    assert not any(set("\r\n\0") & set(value) for value in answer.seen.values())
