"""Requests have a transaction, a caller, and limits, and errors are answered with problem documents."""

import asyncio
from collections.abc import Callable
from uuid import UUID

import pytest

from marketplace_runtime.http import Phase, Router, Tx
from tests.unit.http.client import Client, bearer
from tests.unit.http.example_routes import Thing, routes

ALICE = bearer("alice")


@pytest.fixture
def client(client_for: Callable[[Router], Client]) -> Client:
    return client_for(routes())


async def test_an_answer_is_sent_after_the_commit(client: Client) -> None:
    client.database.commit = lambda: client.events.append("committed")
    assert (await client.request("GET", "/mine/alice", headers=ALICE)).json["name"] == "alice"
    assert client.events == ["committed", "answered"]


async def test_a_commit_that_fails_is_answered_with_an_error(client: Client) -> None:
    def failing() -> None:
        raise ConnectionResetError

    client.database.commit = failing
    answer = await client.request("POST", "/things", {"name": "x"}, bearer("s", ("seller",)))
    assert (answer.status, answer.slug) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert "location" not in answer.headers


async def test_a_route_that_needs_no_transaction_opens_none(client: Client) -> None:
    assert (await client.request("GET", "/public")).status == 200
    assert client.database.opened == 0


@pytest.mark.parametrize(("path", "runs"), [("/taken", 1), ("/boom", 1), ("/away", 2)])
async def test_every_error_rolls_back(client: Client, path: str, runs: int) -> None:
    await client.request("GET", path)
    assert (client.database.committed, client.database.rolled_back) == (0, runs)


async def test_a_request_that_lost_a_conflict_is_retried(client_for: Callable[[Router], Client]) -> None:
    class Deadlock(Exception):
        sqlstate = "40P01"

    router, calls = Router(), []

    @router.post("/things")
    async def post(thing: Thing, tx: Tx) -> Thing:
        calls.append(thing)
        if len(calls) < 3:
            raise Deadlock
        return thing

    client = client_for(router)
    assert (await client.request("POST", "/things", {"name": "x"})).status == 200
    assert (client.database.committed, client.database.rolled_back) == (1, 2)
    calls.clear()
    router_always = Router()

    @router_always.get("/lost")
    async def lost(tx: Tx) -> None:
        raise Deadlock

    client = client_for(router_always)
    assert (await client.request("GET", "/lost")).slug == "concurrent-change"


async def test_a_request_that_is_cancelled_rolls_back(client_for: Callable[[Router], Client]) -> None:
    router, entered = Router(), asyncio.Event()

    @router.get("/slow")
    async def slow(tx: Tx) -> None:
        entered.set()
        await asyncio.Event().wait()

    client = client_for(router)
    requesting = asyncio.create_task(client.request("GET", "/slow"))
    await entered.wait()
    requesting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await requesting
    assert (client.database.committed, client.database.rolled_back) == (0, 1)


async def test_a_problem_says_what_is_wrong_and_what_to_do(client: Client) -> None:
    answer = await client.request("GET", "/taken")
    assert (answer.status, answer.slug) == (409, "taken")
    assert answer.json["title"] == "Already taken"
    assert answer.json["detail"] == "Try another."
    assert len(answer.json["product_ids"]) == 1


async def test_an_unhandled_exception_is_a_problem_without_details(client: Client) -> None:
    answer = await client.request("GET", "/boom")
    assert (answer.status, answer.slug) == (500, "internal")
    assert b"secret" not in answer.body


async def test_an_unavailable_database_is_503_with_retry_after(client: Client) -> None:
    answer = await client.request("GET", "/away")
    assert (answer.status, answer.slug, answer.headers["retry-after"]) == (503, "unavailable", "1")


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/gone", 404), ("GET", "/no-such", 404), ("GET", "/public/", 404)]
)
async def test_an_unknown_path_is_a_404_problem(client: Client, method: str, path: str, status: int) -> None:
    assert (await client.request(method, path)).slug == "not-found"


@pytest.mark.parametrize("method", ["PATCH", "DELETE", "TRACE", "FOO", "POST"])
async def test_an_unsupported_method_is_405_and_names_every_method_of_the_path(client: Client, method: str) -> None:
    answer = await client.request(method, "/mine/alice")
    assert answer.slug == "method-not-allowed"
    assert answer.headers["allow"] == "GET, PUT"


async def test_invalid_values_are_reported_with_a_pointer(client: Client) -> None:
    answer = await client.request("PUT", "/mine/alice", {"name": 1, "size": -1}, ALICE)
    assert (answer.status, answer.slug) == (422, "unprocessable")
    assert {each["pointer"] for each in answer.json["errors"]} == {"/body/name", "/body/size"}


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"nul",
        b"{'a': 1}",
        b"\xff\xfe{\x00}\x00",
        b'{"name": "\xed\xa0\x80"}',
        b'{"name": "a\x00b"}',
        b"\xef\xbb\xbf{}",
        b'{"size": NaN}',
        b'{"size": -Infinity}',
        b"[" * 60_000,
    ],
)
async def test_invalid_json_is_400(client: Client, raw: bytes) -> None:
    answer = await client.request("PUT", "/mine/alice", raw, ALICE | {"Content-Type": "application/json"})
    assert (answer.status, answer.slug) == (400, "bad-request")


@pytest.mark.parametrize(
    "raw",
    [
        b'{"size": 9223372036854775808}',
        b'{"more": [{"deep": -9223372036854775809}]}',
        b'{"size": ' + b"9" * 60_000 + b"}",
        b'{"more": 1e999}',
        b'{"name": "a\\u0000b"}',
        b'{"name": "\\ud800"}',
        b'{"more": {"\\u0000": 1}}',
        b'{"more": [["\\uDC00"]]}',
        b"[]",
        b"null",
        b"1",
    ],
)
async def test_json_that_cannot_be_stored_is_422(client: Client, raw: bytes) -> None:
    answer = await client.request("PUT", "/mine/alice", raw, ALICE | {"Content-Type": "application/json"})
    assert (answer.status, answer.slug) == (422, "unprocessable")


async def test_64_bit_integers_and_any_text_are_accepted(client: Client) -> None:
    raw = b'{"name": "\\ud83d\\ude00 \\\\u0000", "size": 9223372036854775807, "more": -9223372036854775808}'
    answer = await client.request(
        "PUT", "/mine/alice", raw, ALICE | {"Content-Type": "application/json; charset=utf-8"}
    )
    assert answer.status == 200
    assert answer.json["name"] == "😀 \\u0000"


@pytest.mark.parametrize(("sent", "status"), [(b"2.0", 200), (b"2e0", 200), (b"2.5", 422), (b"9.3e18", 422)])
async def test_an_integer_may_be_written_as_a_number_without_a_fraction(
    client: Client, sent: bytes, status: int
) -> None:
    headers = ALICE | {"Content-Type": "application/json"}
    assert (await client.request("PUT", "/mine/alice", b'{"size": ' + sent + b"}", headers)).status == status


@pytest.mark.parametrize("media_type", ["text/plain", "", "application/jsonp", "rubbish", "application/xml", "é"])
async def test_another_media_type_is_415(client: Client, media_type: str) -> None:
    answer = await client.request("PUT", "/mine/alice", b'{"name": "x"}', ALICE | {"Content-Type": media_type})
    assert (answer.status, answer.slug) == (415, "unsupported-media-type")


async def test_a_missing_body_is_422(client: Client) -> None:
    assert (await client.request("PUT", "/mine/alice", headers=ALICE)).status == 422


@pytest.mark.parametrize("path", ["/mine/alice", "/raw"])
@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_64_kib_is_413_before_it_is_read_to_the_end(
    client: Client, path: str, *, declared: bool
) -> None:
    chunks = [b"x" * 16_384 for _ in range(64)]
    length = {"content-length": str(64 * 16_384)} if declared else {"transfer-encoding": "chunked"}
    headers = {name.lower(): value for name, value in ALICE.items()} | length | {"content-type": "application/json"}
    answer = await client.send("POST" if path == "/raw" else "PUT", path, b"", headers, chunks)
    assert (answer.status, answer.slug) == (413, "too-large")


async def test_a_body_of_64_kib_is_accepted(client: Client) -> None:
    assert (await client.request("POST", "/raw", b"x" * 65_536)).json == 65_536


@pytest.mark.parametrize("target", ["/mine/a%00b", "/list?cursor=%00", "/no%00such", "/list?%00=1"])
async def test_nul_in_a_url_is_422(client: Client, target: str) -> None:
    assert (await client.request("GET", target, headers=ALICE)).status == 422


async def test_pages_follow_one_another_to_the_end(client: Client) -> None:
    seen, target = [], "/list"
    while True:
        page = (await client.request("GET", target)).json
        seen += page["items"]
        if page["next_cursor"] is None:
            break
        target = f"/list?cursor={page['next_cursor']}"
    assert seen == [str(UUID(int=n)) for n in range(5)]


@pytest.mark.parametrize(
    "cursor", ["", "x", "é", "MQ", "A" * 600, "IlwwIg", "WzFd", "bnVsbA", "bnVsbA!!", "OTk5OTk5OTk5OTk5OTk5OTk5OQ"]
)
async def test_an_invalid_cursor_is_422(client: Client, cursor: str) -> None:
    answer = await client.request("GET", f"/list?cursor={cursor}")
    assert (answer.status, answer.slug) == (422, "unprocessable")


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "9" * 5000, "1.5", ""])
async def test_a_page_size_out_of_bounds_is_422(client: Client, limit: str) -> None:
    assert (await client.request("GET", f"/list?limit={limit}")).slug == "unprocessable"


def test_an_integer_in_a_url_must_have_bounds() -> None:
    router = Router()
    with pytest.raises(TypeError, match="bound the integer 'number'"):

        @router.get("/things/{number}")
        async def get(number: int) -> None: ...


async def test_another_person_s_resource_is_reported_as_not_found(client: Client) -> None:
    assert (await client.request("GET", "/mine/alice", headers=bearer("bob"))).slug == "not-found"


async def test_a_missing_role_is_403(client: Client) -> None:
    assert (await client.request("POST", "/things", {}, ALICE)).slug == "forbidden"
    assert (await client.request("GET", "/ops/counts", headers=ALICE)).slug == "forbidden"
    assert (await client.request("GET", "/ops/counts")).slug == "unauthorized"


async def test_a_process_stays_ready_whatever_its_components_report(client: Client) -> None:
    client.components["broker"] = "away"
    answer = await client.request("GET", "/readyz")
    assert (answer.status, answer.json) == (200, {"status": "ready", "database": "ok", "broker": "away"})


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.DRAINING])
async def test_a_process_that_starts_or_drains_is_not_ready(client: Client, phase: Phase) -> None:
    client.health.phase = phase
    answer = await client.request("GET", "/readyz")
    assert (answer.status, answer.json) == (503, {"status": phase, "database": "ok"})
    assert (await client.request("GET", "/livez")).status == 200


async def test_a_starting_process_refuses_requests_as_unavailable_and_a_draining_one_finishes_them(
    client: Client,
) -> None:
    client.health.phase = Phase.STARTING
    answer = await client.request("GET", "/mine/alice", headers=ALICE)
    assert (answer.slug, answer.headers["retry-after"]) == ("unavailable", "1")
    client.health.phase = Phase.DRAINING
    assert (await client.request("GET", "/mine/alice", headers=ALICE)).status == 200


async def test_health_and_metrics_need_no_token(client: Client) -> None:
    assert (await client.request("GET", "/livez")).status == 200
    assert (await client.request("GET", "/readyz")).json == {"status": "ready", "database": "ok"}
    await client.request("GET", "/mine/alice", headers=ALICE)
    await client.request("FOO", "/no/such")
    exposed = (await client.request("GET", "/metrics")).body.decode()
    assert 'http_server_request_duration_seconds_count{method="GET",route="/mine/{person}",status="200"}' in exposed
    assert 'method="_OTHER",route="",status="404"' in exposed
