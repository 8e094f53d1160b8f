"""Tests the supervisor with a real broker, real databases and toy services."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from urllib.request import urlopen

import asyncpg
import pytest

from infra.stack import (
    Layout,
    LocalError,
    NotReady,
    StackIsDown,
    delete_stack,
    is_up,
    read_state,
    send_request,
    start_supervisor,
)
from infra.stack.layout import layout
from tests.integration.local.processes_of import processes_of
from tests.integration.local.running_stack import COMMAND, down, parts, until, up


@pytest.fixture
async def where() -> AsyncIterator[Layout]:
    """Yield the layout of a stack for this test, and delete all its files afterwards."""
    where = layout(f"toy-{os.getpid()}")
    yield where
    delete_stack(where)


@pytest.mark.slow  # the system tests crash and scale the services
async def test_parts_start_in_order_restart_after_crashes_and_scale(where: Layout) -> None:
    supervisor = await up(where)
    try:
        now = await parts(where)
        servers = {"gateway", "broker", "catalog-db", "delivery-db", "outside"}
        assert set(now) == servers | {"catalog.1", "delivery.1"}
        assert {part["state"] for part in now.values()} == {"ready"}
        assert all(part["rss_bytes"] > 1e6 for part in now.values())
        assert where.state.stat().st_mode & 0o777 == 0o600

        # a part that crashes is restarted
        url = read_state(where.state).services["catalog"].ops["catalog.1"]
        with pytest.raises(OSError):
            await asyncio.to_thread(urlopen, f"{url}/crash")
        again = await until(where, lambda p: p["catalog.1"]["restarts"] == 1 and p["catalog.1"]["state"] == "ready")
        assert again["catalog.1"]["pid"] != now["catalog.1"]["pid"]

        # a part that a person killed stays down until it is started
        await send_request(where.socket, {"do": "kill", "part": "catalog-db"})
        assert (await parts(where))["catalog-db"]["state"] == "killed"
        with pytest.raises(OSError):
            await asyncpg.connect(read_state(where.state).services["catalog"].database["app"])
        await send_request(where.socket, {"do": "start", "part": "catalog-db"})
        await (await asyncpg.connect(read_state(where.state).services["catalog"].database["app"])).close()

        # a paused part keeps its port and does not answer until it is resumed
        address = read_state(where.state).services["catalog"].database["app"]
        await send_request(where.socket, {"do": "pause", "part": "catalog-db"})
        assert (await parts(where))["catalog-db"]["state"] == "paused"
        with pytest.raises(TimeoutError):
            await asyncpg.connect(address, timeout=1)
        await send_request(where.socket, {"do": "resume", "part": "catalog-db"})
        await (await asyncpg.connect(address)).close()
        await send_request(where.socket, {"do": "pause", "part": "delivery-db"})  # `down` must stop it, too

        # replicas are added and removed
        await send_request(where.socket, {"do": "scale", "service": "catalog", "replicas": 3})
        assert len(read_state(where.state).services["catalog"].ops) == 3
        await send_request(where.socket, {"do": "kill", "part": "catalog"})
        killed = {name for name, part in (await parts(where)).items() if part["state"] == "killed"}
        assert killed == {"catalog.1", "catalog.2", "catalog.3"}
        await send_request(where.socket, {"do": "scale", "service": "catalog", "replicas": 1})
        now = await parts(where)
        assert "catalog.2" not in now
        assert now["catalog.1"]["state"] == "killed"

        for request in (
            {"do": "kill", "part": "nothing"},
            {"do": "pause", "part": "catalog.1"},  # it is killed, so it cannot be paused
            {"do": "scale", "service": "outside", "replicas": 2},
            {"do": "scale", "service": "cart", "replicas": -1},
            {"do": "dance"},
        ):
            with pytest.raises(LocalError):
                await send_request(where.socket, request)
        second = start_supervisor(where, stops_with_parent=True, command=COMMAND)
        assert await asyncio.to_thread(second.wait, 10) != 0
    finally:
        await down(where, supervisor)
    assert not processes_of(where.directory)
    assert not is_up(where)
    with pytest.raises(StackIsDown):
        await parts(where)


@pytest.mark.slow  # the system tests kill the supervisor of the whole stack
async def test_a_killed_supervisor_leaves_no_process_and_the_next_one_continues(where: Layout) -> None:
    supervisor = await up(where)
    before = read_state(where.state)
    database = await asyncpg.connect(before.services["catalog"].database["owner"])
    await database.execute("create table kept as select 1 as id")
    await database.close()
    assert len(processes_of(where.directory)) > 6

    supervisor.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while processes_of(where.directory) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    assert not processes_of(where.directory)

    supervisor = await up(where)
    try:
        after = read_state(where.state)
        assert after == before
        database = await asyncpg.connect(after.services["catalog"].database["owner"])
        assert await database.fetchval("select id from kept") == 1
        await database.close()
    finally:
        await down(where, supervisor)


@pytest.mark.slow
async def test_two_stacks_run_side_by_side(where: Layout) -> None:
    other = layout(f"{where.name}-b")
    try:
        first, second = await asyncio.gather(up(where), up(other))
        assert not set(read_state(where.state).ports.values()) & set(read_state(other.state).ports.values())
        await down(where, first)
        assert {part["state"] for part in (await parts(other)).values()} == {"ready"}
        await down(other, second)
    finally:
        delete_stack(other)


@pytest.mark.slow  # three starts have to fail
async def test_the_last_log_lines_of_a_database_that_cannot_start_are_reported(where: Layout) -> None:
    supervisor = await up(where)
    await down(where, supervisor)
    settings, *_ = where.directory.glob("**/data/postgresql.auto.conf")
    settings.write_text("no_such_setting = on\n")
    with pytest.raises(NotReady, match=r"did not start in 3 attempts.*Its last log line: .*contains errors") as caught:
        await up(where)
    assert caught.value.remedy == "Fix the cause, then: ./marketplace down"
    await down(where, supervisor)
