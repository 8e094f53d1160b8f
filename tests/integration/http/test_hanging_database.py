"""Requests that time out on a hanging database lose no connections of the pool."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from infra.stack import DatabaseUrls, PrivatePostgres
from marketplace_runtime.database import Database
from tests.integration.http.conftest import served
from tests.unit.http.client import bearer

ALICE = bearer("alice")
POOL = 3
SESSIONS = "select pid from pg_stat_activity where usename = 'notes'"


@pytest.fixture
async def small(urls: DatabaseUrls) -> AsyncIterator[Database]:
    database = Database(urls.app, source="notes", pool_timeout_s=1.0)
    pool = database.for_requests(POOL)
    yield pool
    await pool.close()
    await database.close()


async def sessions(urls: DatabaseUrls) -> set[int]:
    operator = await asyncpg.connect(urls.superuser)
    try:
        return {row["pid"] for row in await operator.fetch(SESSIONS)}
    finally:
        await operator.close()


async def test_requests_that_time_out_lose_no_connection(
    small: Database, urls: DatabaseUrls, postgres: PrivatePostgres
) -> None:
    async with served(small, timeout_s=0.3) as web:
        await asyncio.gather(*(web.post("/notes", {"id": f"before-{n}"}, ALICE) for n in range(2 * POOL)))
        before = await sessions(urls)
        assert len(before) == POOL
        postgres.pause()
        try:
            for turn in range(4):
                asked = (web.post("/notes", {"id": f"during-{turn}-{n}"}, ALICE) for n in range(3 * POOL))
                assert {answer.status for answer in await asyncio.gather(*asked)} == {504}
        finally:
            postgres.resume()
        answers = await asyncio.gather(*(web.post("/notes", {"id": f"after-{n}"}, ALICE) for n in range(2 * POOL)))
        assert {answer.status for answer in answers} == {201}
        assert await sessions(urls) == before, "the pool no longer has the same connections"


async def test_a_commit_cut_off_while_the_database_hangs_takes_effect_and_wakes_the_scheduler(
    small: Database, urls: DatabaseUrls, postgres: PrivatePostgres
) -> None:
    async def commit_while_it_hangs() -> None:
        async with small.transaction() as tx:
            await tx.execute("insert into notes values ('late', 'alice', '')")
            tx.wake_scheduler()
            postgres.pause()

    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await commit_while_it_hangs()
    finally:
        postgres.resume()
    async with asyncio.timeout(10):
        await small.wake_ups.wait_for_schedule()
        async with small.transaction() as tx:
            assert await tx.execute("select 1 from notes where id = 'late'")
