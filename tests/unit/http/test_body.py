"""A request's body is read within limits of size and time, even if the client stalls or disconnects."""

import asyncio
from typing import Any

import pytest

from marketplace_runtime.http.body import BoundedRequest
from marketplace_runtime.http.problems import BadRequest, SlowBody


def a_request(*messages: dict[str, Any], **headers: str) -> BoundedRequest:
    waiting = list(messages)

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return BoundedRequest({"type": "http", "method": "POST", "headers": sent}, receive)


async def test_a_client_that_stalls_gets_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marketplace_runtime.http.body.BODY_TIMEOUT_S", 0.01)
    request = a_request({"type": "http.request", "body": b"{", "more_body": True}, content_length="9")
    with pytest.raises(SlowBody):
        await request.body()


async def test_a_disconnected_client_is_a_bad_request_and_no_internal_error() -> None:
    request = a_request(
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.disconnect"},
        transfer_encoding="chunked",
    )
    with pytest.raises(BadRequest):
        await request.body()


async def test_a_body_can_be_read_twice() -> None:
    request = a_request({"type": "http.request", "body": b"[1]"}, content_length="3", content_type="application/json")
    assert await request.body() == await request.body() == b"[1]"
    assert await request.json() == await request.json() == [1]


async def test_no_body_is_read_if_none_is_announced() -> None:
    assert await a_request().body() == b""
    assert await a_request(content_length="0").json() is None
