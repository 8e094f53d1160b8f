"""Under overload the cheapest requests are refused at once, and every admitted request is finished."""

import asyncio

import pytest

from marketplace_runtime.resilience import Admission
from tests.integration.http.conftest import Answer, Web
from tests.unit.http.client import bearer

ALICE = bearer("alice")


HEAD = b"POST %b HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"


async def test_reads_are_shed_before_changes_and_admitted_requests_finish(web: Web) -> None:
    web.app.state.admission = Admission("notes", 10)
    under_way: list[asyncio.Task[Answer]] = []

    async def hold(number: int) -> None:
        while len(under_way) < number:
            note = {"id": f"held-{len(under_way)}"}
            under_way.append(asyncio.create_task(web.post("/held", note, ALICE)))
        async with asyncio.timeout(10):
            while len(web.steps.pids) < number:
                await asyncio.sleep(0.01)

    await hold(5)
    refused = await web.request("GET", "/notes/none", headers=ALICE)
    assert (refused.status, refused.slug, refused.headers["Retry-After"]) == (503, "too-busy", "1")
    assert (await web.post("/notes", {"id": "1"}, ALICE)).status == 201
    await hold(8)
    assert (await web.post("/notes", {"id": "2"}, ALICE)).slug == "too-busy"
    assert (await web.post("/promised", {"id": "3"}, ALICE)).status == 201
    assert (await web.request("GET", "/livez")).status == 200
    web.steps.may_continue.set()
    assert [answer.status for answer in await asyncio.gather(*under_way)] == [201] * 8
    assert (await web.request("GET", "/notes/3", headers=ALICE)).status == 200


@pytest.mark.parametrize("path", [b"/signed", b"/notes"])
async def test_a_request_whose_body_does_not_arrive_does_not_count_as_active(web: Web, path: bytes) -> None:
    web.app.state.admission = Admission("notes", 10)
    slow = [await begin(web, HEAD % path) for _ in range(10)]
    assert (await web.post("/notes", {"id": "1"}, ALICE)).status == 201
    assert (await web.request("GET", "/notes/1", headers=ALICE)).status == 200
    for reader, writer in slow:
        writer.write(b"x" * 100)
        answer = (await reader.read()).split(b"\r\n")[0]
        assert answer == (b"HTTP/1.1 204 No Content" if path == b"/signed" else b"HTTP/1.1 415 Unsupported Media Type")
        writer.close()


async def begin(web: Web, head: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a head, and wait until the server asks for the body with 100 Continue."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(web.url.rpartition(":")[2]))
    writer.write(head)
    async with asyncio.timeout(10):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    return reader, writer
