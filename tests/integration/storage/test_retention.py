"""Old partitions of inbox and outbox are dropped during inserts; young ones and pending events are kept."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from infra.stack import DatabaseUrls, PrivatePostgres
from marketplace_runtime.consumer import inbox
from marketplace_runtime.database import Database, drop_partitions, is_transient, make_partitions, migrate, new_id
from marketplace_runtime.database.partitions import LOCK_TIMEOUT_MS

OLDEST, KEPT = 20, 10
PARTITIONS = "select relname from pg_inherits join pg_class c on c.oid = inhrelid where inhparent = $1::regclass"


@pytest.fixture(scope="module")
async def urls(postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> DatabaseUrls:
    migrations: Path = tmp_path_factory.mktemp("migrations")
    (migrations / "versions").mkdir()
    (migrations / "versions" / "0001_nothing.py").write_text(
        'revision = "0001"\ndown_revision = None\n\ndef upgrade():\n    pass\n'
    )
    found = await postgres.create_database("retention")
    await migrate(found.owner, app_url=found.app, migrations=migrations)
    return found


@pytest.fixture
async def database(urls: DatabaseUrls) -> AsyncIterator[Database]:
    """Provide a database with a partition for each of the last 20 days."""
    database = Database(urls.app, source="cart")
    async with database.transaction() as tx:
        await tx.execute("delete from messaging.outbox_pending")
        await tx.execute("select messaging.make_partitions($1, $2)", day(OLDEST), day(0))
        await make_partitions(tx)
    yield database
    await database.close()


def day(ago: int) -> date:
    return datetime.now(UTC).date() - timedelta(days=ago)


def an_id(ago: int) -> UUID:
    """Return an event id made at noon, `ago` days ago."""
    made = datetime.combine(day(ago), datetime.min.time(), UTC) + timedelta(hours=12)
    return UUID(int=int(made.timestamp() * 1000) << 80 | new_id().int & (1 << 80) - 1)


async def days_kept(database: Database, parent: str) -> list[str]:
    async with database.transaction() as tx:
        rows = await tx.execute(PARTITIONS, f"messaging.{parent}")
    return sorted(name.rpartition("_")[2] for (name,) in rows)


def named(*ago: int) -> list[str]:
    return sorted(f"{day(each):%Y%m%d}" for each in ago)


async def test_only_partitions_older_than_the_retention_are_dropped(database: Database) -> None:
    async with database.transaction() as tx:
        for ago in (OLDEST, KEPT + 1, KEPT, 0):
            await inbox.enter(tx, "carts", [an_id(ago)], [1])
    dropped = await drop_partitions(database, KEPT)
    assert len(dropped) == 3 * (OLDEST - KEPT)
    for parent in ("inbox", "outbox", "incidents"):
        assert await days_kept(database, parent) == named(*range(-2, KEPT + 1))
    async with database.transaction() as tx:
        assert await tx.execute("select count(*) from messaging.inbox") == [(2,)]
        await make_partitions(tx)
    assert await drop_partitions(database, KEPT) == []


async def test_a_partition_with_pending_events_is_kept_until_they_are_published(database: Database) -> None:
    waiting = an_id(15)
    async with database.transaction() as tx:
        await tx.execute(
            "insert into messaging.outbox (event_id, type, subject, at, traceparent, body)"
            " values ($1, 'cart.x.v1', 'x', now(), '', '')",
            waiting,
        )
        await tx.execute(
            "insert into messaging.outbox_pending (event_id, type, bucket) values ($1, 'cart.x.v1', 0)", waiting
        )
    await drop_partitions(database, KEPT)
    assert await days_kept(database, "outbox") == named(15, *range(-2, KEPT + 1))
    assert await days_kept(database, "inbox") == named(*range(-2, KEPT + 1))
    async with database.transaction() as tx:
        await tx.execute("delete from messaging.outbox_pending")
    assert await drop_partitions(database, KEPT) == [f"outbox_{day(15):%Y%m%d}"]


class Inserting:
    """Inserts without pause, and measures the slowest insert."""

    def __init__(self, database: Database) -> None:
        self._database, self.inserted, self.slowest_s = database, 0, 0.0

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            async with self._database.transaction() as tx:
                await inbox.enter(tx, "carts", [new_id() for _ in range(20)], [1] * 20)
            self.slowest_s = max(self.slowest_s, loop.time() - began)
            self.inserted += 1

    async def some_more(self) -> None:
        """Wait for ten more inserts."""
        goal = self.inserted + 10
        while self.inserted < goal:
            await asyncio.sleep(0.005)


async def test_concurrent_inserts_neither_fail_nor_wait_long(database: Database) -> None:
    inserting = [Inserting(database) for _ in range(4)]
    tasks = [asyncio.create_task(each.run()) for each in inserting]
    async with asyncio.timeout(30):
        dropped: list[str] = []
        while len(dropped) < 3 * (OLDEST - KEPT):
            dropped += await drop_partitions(database, KEPT)
            await inserting[0].some_more()
    assert not any(task.done() for task in tasks), "an insert failed"
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert max(each.slowest_s for each in inserting) < 2


async def test_a_drop_that_does_not_get_its_lock_is_postponed(database: Database, urls: DatabaseUrls) -> None:
    inserting = Inserting(database)
    task = asyncio.create_task(inserting.run())
    long = await asyncpg.connect(urls.app)
    async with long.transaction():
        await long.execute("insert into messaging.inbox values ('long', $1, 1)", new_id())
        dropped = await drop_partitions(database, KEPT)
        assert {name.partition("_")[0] for name in dropped} == {"outbox", "incidents"}
        await inserting.some_more()
    await long.close()
    assert not task.done()
    assert inserting.slowest_s < LOCK_TIMEOUT_MS / 1000 + 2
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(await drop_partitions(database, KEPT)) == OLDEST - KEPT


async def test_making_a_partition_that_does_not_get_its_lock_blocks_no_insert(
    database: Database, urls: DatabaseUrls
) -> None:
    owner, reader = await asyncpg.connect(urls.superuser), await asyncpg.connect(urls.superuser)
    await owner.execute(f"drop table messaging.inbox_{day(-2):%Y%m%d}")
    inserting = Inserting(database)
    task = asyncio.create_task(inserting.run())
    async with reader.transaction():
        await reader.execute("lock table messaging.inbox in access share mode")
        with pytest.raises(Exception, match="lock timeout") as refused:
            async with database.transaction() as tx:
                await make_partitions(tx)
        assert is_transient(refused.value)
        await inserting.some_more()
    assert not task.done()
    assert inserting.slowest_s < LOCK_TIMEOUT_MS / 1000 + 2
    async with database.transaction() as tx:
        await make_partitions(tx)
    assert f"{day(-2):%Y%m%d}" in await days_kept(database, "inbox")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.gather(owner.close(), reader.close())


async def test_replicas_that_drop_concurrently_drop_each_partition_once(database: Database) -> None:
    both = await asyncio.gather(drop_partitions(database, KEPT), drop_partitions(database, KEPT))
    dropped = [*both[0], *both[1], *await drop_partitions(database, KEPT)]
    assert len(dropped) == len(set(dropped)) == 3 * (OLDEST - KEPT)


async def test_the_services_role_cannot_drop_young_partitions(urls: DatabaseUrls) -> None:
    connection = await asyncpg.connect(urls.app)
    try:
        for parent, since in (("inbox", day(7)), ("outbox", day(-1)), ("scheduled", day(30))):
            with pytest.raises(asyncpg.RaiseError, match="8 days at least"):
                await connection.execute("select messaging.drop_partition($1, $2)", parent, since)
    finally:
        await connection.close()
