"""A request's whole effect is committed before its answer is sent, or it has none."""

import asyncio
from typing import Any

import asyncpg
import pytest

from infra.stack import DatabaseUrls
from marketplace_runtime.database import Database
from tests.integration.http.conftest import Web, served
from tests.integration.http.counting import rows
from tests.unit.http.client import bearer

ALICE = bearer("alice")


async def test_an_answered_request_is_committed(web: Web) -> None:
    written = await web.post("/notes", {"id": "1", "text": "hello"}, ALICE)
    assert (written.status, written.headers["Location"]) == (201, "/notes/1")
    assert (await web.request("GET", "/notes/1")).json["text"] == "hello"


async def test_a_request_whose_commit_fails_is_answered_with_an_error(web: Web, database: Database) -> None:
    answer = await web.post("/notes", {"id": "1", "author": "nobody"}, ALICE, key="k")
    assert (answer.status, answer.slug) == (500, "internal")
    assert "Location" not in answer.headers
    assert await rows(database, "notes") == await rows(database, "messaging.idempotency_keys") == 0


async def test_a_unique_violation_at_the_commit_is_a_conflict(web: Web, database: Database) -> None:
    await web.post("/notes", {"id": "1"}, ALICE)
    answer = await web.post("/notes", {"id": "1"}, ALICE)
    assert (answer.status, answer.slug) == (409, "concurrent-change")
    assert await rows(database, "notes") == 1


async def test_a_problem_rolls_back_what_was_written(web: Web, database: Database) -> None:
    assert (await web.post("/refused", {"id": "1"}, ALICE, key="k")).status == 409
    assert await rows(database, "notes") == await rows(database, "messaging.idempotency_keys") == 0


async def test_a_client_that_disconnects_leaves_a_complete_effect(web: Web, database: Database) -> None:
    request_task = asyncio.create_task(web.post("/held", {"id": "1"}, ALICE, key="k"))
    await web.steps.written.wait()
    request_task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request_task
    web.steps.may_continue.set()
    async with asyncio.timeout(5):
        while not await rows(database, "notes"):
            await asyncio.sleep(0.01)
    assert await rows(database, "messaging.idempotency_keys") == 1
    assert (await web.post("/held", {"id": "1"}, ALICE, key="k")).headers["Idempotency-Replayed"] == "true"


async def test_a_request_cancelled_by_shutdown_leaves_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marketplace_runtime.http.server.GRACEFUL_SHUTDOWN_S", 0.0)
    async with served(database) as web:
        request_task = asyncio.create_task(web.post("/held", {"id": "1"}, ALICE, key="k"))
        await web.steps.written.wait()
        [pid] = web.steps.pids
    assert (await request_task).slug == "unavailable"
    async with asyncio.timeout(5):
        while await _in_transaction(database, pid):
            await asyncio.sleep(0.01)
    assert await rows(database, "notes") == await rows(database, "messaging.idempotency_keys") == 0


async def _in_transaction(database: Database, pid: int) -> bool:
    async with database.transaction() as tx:
        [(busy,)] = await tx.execute(
            "select count(*) from pg_stat_activity where pid = $1 and state like 'idle in transaction%'", pid
        )
        return bool(busy)


async def kill(urls: DatabaseUrls, pid: int) -> None:
    """Terminate one session of the database, as a restart would."""
    operator = await asyncpg.connect(urls.superuser)
    await operator.execute("select pg_terminate_backend($1)", pid)
    await operator.close()


async def test_a_request_that_loses_its_session_before_the_commit_is_retried_on_a_new_one(
    web: Web, urls: DatabaseUrls
) -> None:
    request_task = asyncio.create_task(web.post("/held", {"id": "1"}, ALICE, key="k"))
    await web.steps.written.wait()
    await kill(urls, web.steps.pids[0])
    web.steps.may_continue.set()
    answer = await request_task
    assert (answer.status, answer.headers.get("Idempotency-Replayed")) == (201, None)
    first, second = web.steps.pids
    assert first != second


async def test_sessions_that_died_in_the_pool_make_no_request_fail(web: Web, urls: DatabaseUrls) -> None:
    web.steps.may_continue.set()
    for number in range(3):
        await web.post("/held", {"id": f"before-{number}"}, ALICE)
    for pid in set(web.steps.pids):
        await kill(urls, pid)
    answers = await asyncio.gather(*(web.post("/notes", {"id": f"after-{number}"}, ALICE) for number in range(20)))
    assert {answer.status for answer in answers} == {201}


async def test_a_request_that_loses_its_session_twice_is_503(web: Web, urls: DatabaseUrls) -> None:
    request_task = asyncio.create_task(web.post("/held", {"id": "1"}, ALICE, key="k"))
    for run in range(2):
        async with asyncio.timeout(10):
            while len(web.steps.pids) == run:
                await asyncio.sleep(0.01)
        await kill(urls, web.steps.pids[run])
        web.steps.may_continue.set()
        web.steps.may_continue.clear()
    answer = await request_task
    assert (answer.status, answer.slug) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    web.steps.may_continue.set()
    again = await web.post("/held", {"id": "1"}, ALICE, key="k")
    assert (again.status, again.headers.get("Idempotency-Replayed")) == (201, None)


async def test_all_sessions_are_replaced_when_one_became_read_only(web: Web, urls: DatabaseUrls) -> None:
    """This happens after a failover, or when a role's settings are changed and changed back."""
    for number in range(3):
        await web.post("/notes", {"id": f"before-{number}"}, ALICE)
    operator = await asyncpg.connect(urls.superuser)
    try:
        await operator.execute("alter role notes set default_transaction_read_only = on")
        await operator.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'notes'")
        during = [await web.post("/notes", {"id": f"during-{number}"}, ALICE) for number in range(3)]
    finally:
        await operator.execute("alter role notes reset default_transaction_read_only")
        await operator.close()
    assert {(answer.status, answer.slug) for answer in during} == {(503, "unavailable")}
    answers = await asyncio.gather(*(web.post("/notes", {"id": f"after-{number}"}, ALICE) for number in range(20)))
    assert {answer.status for answer in answers} == {201}


async def test_an_unreachable_database_is_503(unused_port: int) -> None:
    away = Database(f"postgresql://x:x@127.0.0.1:{unused_port}/x", source="notes", pool_timeout_s=1.0)
    async with served(away) as web:
        answer = await web.request("GET", "/notes/1")
        assert (answer.status, answer.slug, answer.headers["Retry-After"]) == (503, "unavailable", "1")
        assert (await web.request("GET", "/livez")).status == 200
    await away.close()


async def test_concurrent_requests_take_turns_with_the_connections(web: Web) -> None:
    limit = 80  # the limit of concurrent changes
    answers: list[Any] = await asyncio.gather(*(web.post("/notes", {"id": str(n)}, ALICE) for n in range(limit)))
    assert [answer.status for answer in answers] == [201] * limit


async def test_operators_see_counts_and_dead_letters(web: Web, database: Database) -> None:
    async with database.transaction() as tx:
        for number in range(3):
            await tx.execute(
                """
                insert into messaging.dead_letters
                    (key, subscription, event_id, type, reason, error, attempts, failed_at, headers, body)
                values ($1, 'orders', null, null, 'not-json', 'x', 1, now(), '{"a": 1}', 'body')
                """,
                str(number),
            )
    operator = bearer("root", ("operator",))
    assert (await web.request("GET", "/ops/counts", headers=operator)).json["dead"] == 3
    first = (await web.request("GET", "/ops/dead-letters?limit=2", headers=operator)).json
    rest = await web.request("GET", f"/ops/dead-letters?limit=2&cursor={first['next_cursor']}", headers=operator)
    assert [len(first["items"]), len(rest.json["items"]), rest.json["next_cursor"]] == [2, 1, None]
    assert first["items"][0]["headers"] == {"a": 1}
    assert (await web.request("GET", "/ops/dead-letters", headers=ALICE)).status == 403
