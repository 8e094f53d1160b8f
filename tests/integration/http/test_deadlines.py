"""A request that misses its deadline is answered in time, and has its whole effect or none."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from infra.stack import DatabaseUrls
from marketplace_runtime.database import Database
from tests.integration.http.conftest import Answer, Web, served
from tests.integration.http.counting import rows
from tests.unit.http.client import bearer

ALICE = bearer("alice")
SOON = {"Request-Timeout": "0.3"}
IN_TIME_S = 5.0
"""Long enough for a loaded machine. Without deadlines, a request would wait 15 s for the database."""
POOL = 2


@pytest.fixture
async def others(urls: DatabaseUrls) -> AsyncIterator[Database]:
    """Open a second connection to the same database."""
    others = Database(urls.superuser, source="others")
    yield others
    await others.close()


@asynccontextmanager
async def locked(others: Database, *tables: str) -> AsyncIterator[None]:
    async with others.transaction() as tx:
        await tx.execute(f"lock table {', '.join(tables)} in access exclusive mode")
        yield


async def write(web: Web, note: str, key: str, headers: dict[str, str] | None = None) -> Answer:
    """Post a note, and repeat the request while an earlier one under this key is in flight."""
    async with asyncio.timeout(IN_TIME_S):
        while (answer := await web.post("/notes", {"id": note}, ALICE | (headers or {}), key)).status == 409:
            await asyncio.sleep(0.01)
    return answer


async def test_a_request_that_waits_for_a_lock_times_out_and_later_succeeds_under_the_same_key(
    urls: DatabaseUrls, database: Database, others: Database
) -> None:
    narrow = Database(urls.app, source="notes", pool_size=POOL)
    async with served(narrow) as web:
        async with locked(others, "notes"):
            began = time.monotonic()
            late = await asyncio.gather(*(write(web, str(n), f"key-{n}", SOON) for n in range(3 * POOL)))
            assert time.monotonic() - began < IN_TIME_S
            assert {(answer.status, answer.slug) for answer in late} == {(504, "deadline-exceeded")}
            assert all("same Idempotency-Key" in answer.json["detail"] for answer in late)
        assert await rows(database, "notes") == await rows(database, "messaging.idempotency_keys") == 0
        done = await asyncio.gather(*(write(web, str(n), f"key-{n}") for n in range(3 * POOL)))
        assert {(answer.status, answer.headers.get("Idempotency-Replayed")) for answer in done} == {(201, None)}
        assert await rows(database, "notes") == 3 * POOL
    await narrow.close()


async def test_a_commit_cut_off_by_the_deadline_is_complete_or_has_no_effect(
    web: Web, database: Database, others: Database
) -> None:
    async with others.transaction() as tx:  # the same note: its constraint is checked at the commit, which waits
        await tx.execute("insert into notes values ('1', 'alice', '')")
        answer = await write(web, "1", "k", SOON)
        assert (answer.status, answer.slug) == (504, "deadline-exceeded")
        await tx.execute("delete from notes")
    assert await rows(database, "notes") == await rows(database, "messaging.idempotency_keys")
    assert (await write(web, "1", "k")).status == 201
    assert await rows(database, "notes") == await rows(database, "messaging.idempotency_keys") == 1


async def test_the_setting_is_the_longest_timeout_except_for_operators(database: Database, others: Database) -> None:
    operator = bearer("root", ("operator",))
    async with served(database, timeout_s=0.3) as web:
        async with locked(others, "notes", "messaging.dead_letters"):
            counting = asyncio.create_task(web.request("GET", "/ops/counts", headers=operator))
            late = await web.request("GET", "/notes/1", headers={"Request-Timeout": "60"})
            assert (late.status, late.json["detail"]) == (504, "Retry the request.")
            assert (await web.request("GET", "/ops/counts", headers=operator | SOON)).status == 504
            assert not counting.done()
        assert (await counting).status == 200


async def test_two_request_timeout_headers_are_refused(web: Web) -> None:
    answer = await web.request("GET", "/notes/1", headers=[("Request-Timeout", "1"), ("Request-Timeout", "2")])
    assert (answer.status, answer.slug) == (400, "invalid-request-timeout")
