"""A POST with an Idempotency-Key takes effect once, and repeats get the same answer."""

import asyncio
import hashlib

import pytest

from marketplace_runtime.database import Database
from marketplace_runtime.http import idempotency_table
from marketplace_runtime.service.maintenance import run_maintenance
from tests.integration.http.conftest import Web
from tests.unit.http.client import bearer

ALICE, BOB = bearer("alice"), bearer("bob")
NOTE = {"id": "1", "text": "hello"}


async def notes(database: Database) -> int:
    async with database.transaction() as tx:
        [(count,)] = await tx.execute("select count(*) from notes")
        return int(count)


async def test_a_repeated_request_gets_the_same_answer(web: Web, database: Database) -> None:
    first = await web.post("/notes", NOTE, ALICE, key="k1")
    again = await web.post("/notes", NOTE, ALICE, key="k1")
    assert (first.status, first.headers.get("Idempotency-Replayed")) == (201, None)
    assert (again.status, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert again.body == first.body
    for repeated in ("Content-Type", "Location"):
        assert again.headers[repeated] == first.headers[repeated]
    assert await notes(database) == 1


async def test_another_body_under_the_same_key_is_422(web: Web) -> None:
    await web.post("/notes", NOTE, ALICE, key="k1")
    answer = await web.post("/notes", {**NOTE, "text": "other"}, ALICE, key="k1")
    assert (answer.status, answer.slug) == (422, "idempotency-key-reused")


@pytest.mark.parametrize(
    "written",
    ['{"id":"1","text":"hello"}', '{ "text" : "hello",\n"id": "1" }', '{"id": "\\u0031", "text": "h\\u0065llo"}'],
)
async def test_the_same_json_written_differently_is_the_same_request(
    web: Web, database: Database, written: str
) -> None:
    first = await web.post("/notes", NOTE, ALICE, key="k1")
    headers = ALICE | {"Idempotency-Key": "k1", "Content-Type": "application/json"}
    again = await web.request("POST", "/notes", data=written, headers=headers)
    assert (again.status, again.headers["Idempotency-Replayed"], again.body) == (201, "true", first.body)
    assert await notes(database) == 1


async def test_an_answer_stored_by_older_code_is_still_found(web: Web, database: Database) -> None:
    """Older code compared bodies byte by byte."""
    body = b'{"text": "hello", "id": "1"}'
    headers = ALICE | {"Idempotency-Key": "k1", "Content-Type": "application/json"}
    await web.request("POST", "/notes", data=body, headers=headers)
    async with database.transaction() as tx:
        kept = "update messaging.idempotency_keys set body_sha256 = $1 returning key"
        assert len(await tx.execute(kept, hashlib.sha256(body).digest())) == 1
    again = await web.request("POST", "/notes", data=body, headers=headers)
    assert (again.status, again.headers["Idempotency-Replayed"]) == (201, "true")


async def test_a_body_without_a_canonical_form_is_compared_byte_by_byte(web: Web) -> None:
    headers = ALICE | {"Idempotency-Key": "k1", "Content-Type": "application/json"}
    beyond = [f'{{"id": "1", "text": "hello", "more": {2**60 + number}}}' for number in (0, 0, 1)]
    first, again, other = [await web.request("POST", "/notes", data=each, headers=headers) for each in beyond]
    assert (first.status, again.status, again.headers["Idempotency-Replayed"]) == (201, 201, "true")
    assert (other.status, other.slug) == (422, "idempotency-key-reused")


async def test_another_query_under_the_same_key_is_422(web: Web) -> None:
    await web.post("/notes", NOTE, ALICE, key="k1")
    assert (await web.post("/notes?x=1", NOTE, ALICE, key="k1")).slug == "idempotency-key-reused"


async def test_keys_are_separate_for_each_caller_route_and_path(web: Web, database: Database) -> None:
    seller = bearer("seller", ("seller",))
    answers = [
        await web.post("/notes", {"id": "1"}, ALICE, key="k1"),
        await web.post("/notes", {"id": "2"}, BOB, key="k1"),
        await web.post("/sellers/notes", {"id": "3"}, seller, key="k1"),
        await web.post("/anyone/a/notes", {"id": "4"}, {}, key="k1"),
        await web.post("/anyone/b/notes", {"id": "5"}, {}, key="k1"),
        await web.post(f"/anyone/{'c' * 5000}/notes", {"id": "6"}, {}, key="k1"),
        await web.post(f"/anyone/{'c' * 5001}/notes", {"id": "7"}, {}, key="k1"),
    ]
    assert [answer.status for answer in answers] == [201, 201, 201, 204, 204, 204, 204]
    assert await notes(database) == 7


async def test_an_answer_without_a_body_is_stored(web: Web) -> None:
    for replayed in (None, "true"):
        answer = await web.post("/anyone/a/notes", NOTE, {}, key="k1")
        assert (answer.status, answer.body, answer.headers.get("Idempotency-Replayed")) == (204, b"", replayed)
        assert "Location" not in answer.headers


async def test_the_second_of_two_concurrent_requests_is_409_and_gets_the_answer_later(
    web: Web, database: Database
) -> None:
    first = asyncio.create_task(web.post("/held", NOTE, ALICE, key="k1"))
    await web.steps.written.wait()
    async with asyncio.timeout(5):
        second = await web.post("/held", NOTE, ALICE, key="k1")
    assert (second.status, second.slug) == (409, "idempotency-key-in-flight")
    assert int(second.headers["Retry-After"]) > 0
    web.steps.may_continue.set()
    assert (await first).status == 201
    assert (await web.post("/held", NOTE, ALICE, key="k1")).headers["Idempotency-Replayed"] == "true"
    assert await notes(database) == 1


async def test_many_concurrent_copies_of_a_request_take_effect_once(web: Web, database: Database) -> None:
    answers = await asyncio.gather(*(web.post("/notes", NOTE, ALICE, key="k1") for _ in range(50)))
    assert {answer.status for answer in answers} <= {201, 409}
    assert {answer.slug for answer in answers if answer.status == 409} <= {"idempotency-key-in-flight"}
    assert sum(answer.status == 201 and "Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert await notes(database) == 1


async def test_a_problem_is_not_stored_so_the_request_can_be_retried(web: Web) -> None:
    for _ in range(2):
        answer = await web.post("/refused", NOTE, ALICE, key="k1")
        assert (answer.status, answer.slug) == (409, "conflict")


async def test_a_stored_answer_still_requires_the_token_and_the_role(web: Web) -> None:
    assert (await web.post("/sellers/notes", NOTE, bearer("s", ("seller",)), key="k1")).status == 201
    assert (await web.post("/sellers/notes", NOTE, {}, key="k1")).status == 401
    assert (await web.post("/sellers/notes", NOTE, bearer("s"), key="k1")).status == 403


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "a" * 256, "a\tb"])
async def test_a_key_that_is_not_1_to_255_visible_ascii_characters_is_400(web: Web, key: str) -> None:
    answer = await web.post("/notes", NOTE, ALICE, key=key)
    assert (answer.status, answer.slug) == (400, "invalid-idempotency-key")


@pytest.mark.parametrize("key", ["~", "a" * 255, "'; drop table notes; --".replace(" ", "")])
async def test_any_other_key_is_accepted(web: Web, key: str) -> None:
    assert (await web.post("/notes", NOTE, ALICE, key=key)).status == 201


async def test_keys_are_deleted_after_the_retention_while_the_service_runs(
    web: Web, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency_table, "DELETE_BATCH_SIZE", 2)
    for number in range(7):
        assert (await web.post("/notes", {"id": str(number)}, ALICE, key=f"k{number}")).status == 201
    async with database.transaction() as tx:
        for since, found in (("14 days 1 minute", "key < 'k5'"), ("13 days 23 hours", "key = 'k5'")):
            await tx.execute(
                f"update messaging.idempotency_keys set created_at = now() - interval '{since}' where {found}"
            )
    tending = asyncio.create_task(run_maintenance(database, 14))
    async with asyncio.timeout(10):
        while (kept := await keys(database)) != ["k5", "k6"]:
            assert kept[-2:] == ["k5", "k6"]
            await asyncio.sleep(0.01)
    tending.cancel()
    for note, key, replayed in (("5", "k5", "true"), ("6", "k6", "true"), ("another", "k0", None)):
        answer = await web.post("/notes", {"id": note}, ALICE, key=key)
        assert (answer.status, answer.headers.get("Idempotency-Replayed")) == (201, replayed)


async def keys(database: Database) -> list[str]:
    async with database.transaction() as tx:
        return [key for (key,) in await tx.execute("select key from messaging.idempotency_keys order by key")]


async def test_without_a_key_every_request_takes_effect(web: Web, database: Database) -> None:
    for number in range(2):
        await web.post("/notes", {"id": str(number)}, ALICE)
    assert await notes(database) == 2


async def test_a_key_on_other_methods_is_ignored(web: Web) -> None:
    await web.post("/notes", NOTE, ALICE)
    assert (await web.request("GET", "/notes/1", headers={"Idempotency-Key": "é"})).status == 200
