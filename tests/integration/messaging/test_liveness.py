"""Liveness: a process that lost its database connection for a moment does not count as dead."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from uuid import UUID

import asyncpg
import pytest

from contracts.cart import CartCheckedOutV1
from marketplace_runtime.database import ADVISORY_LOCK_FILTER, Database, Transaction
from marketplace_runtime.dead_letters import table as dead_letters
from marketplace_runtime.external_calls import claims, liveness, local_liveness
from marketplace_runtime.scheduler import CatchUpTracker, Scheduler
from marketplace_runtime.scheduler import table as scheduled
from marketplace_runtime.service import Messaging
from tests.integration.messaging.due import schedule_due
from tests.integration.messaging.external_calls import TABLE, Provider, calling
from tests.integration.messaging.proxy import wire_to
from tests.integration.messaging.toy import Toy, a_checkout, until

MINUTE = timedelta(minutes=1)
HELD = "select (select array_agg(holder) from messaging.claims), (select array_agg(holder) from messaging.scheduled)"
LOCKS = f"select pid from pg_locks where {ADVISORY_LOCK_FILTER} and classid = {liveness.LOCK_CLASS}"


def count_checks(database: Database, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Return a function that counts the liveness checks of the process of `database`."""
    check, looks = liveness.release_orphaned_claims, 0

    async def counted(tx: Transaction, *args: dict[int, float]) -> None:
        nonlocal looks
        await check(tx, *args)
        looks += tx.process_id == database.process_id

    monkeypatch.setattr(liveness, "release_orphaned_claims", counted)
    return lambda: looks


async def test_a_call_stays_with_its_process_while_that_has_no_database_session(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Provider()
    provider.answering.clear()
    await toy.declare([TABLE])
    async with wire_to(toy.urls["checkout"].app) as wire:
        cut_off = Database(wire.of(toy.urls["checkout"].app), source="checkout")
        toy.databases.append(cut_off)
        other = toy.checkout_database([TABLE])
        looks = count_checks(other, monkeypatch)
        async with toy.started(toy.messaging("checkout", cut_off, [TABLE], provider)):
            await schedule_due(other, a_checkout())
            await until(partial(calling, provider))
            wire.broken = True
            wire.cut()
            async with toy.started(toy.messaging("checkout", other, [TABLE], provider)):
                seen = looks()
                await until(lambda: _is(lambda: looks() > seen + 2))
                assert await toy.rows(HELD) == [([cut_off.process_id], [cut_off.process_id])]
                wire.broken = False
                provider.answering.set()
                await toy.until_idle()
    assert list(provider.asked.values()) == [1]


async def test_a_process_on_another_machine_is_dead_after_it_was_missing_without_interruption(toy: Toy) -> None:
    id, far = await holding_elsewhere(toy)
    missed: dict[int, float] = {}
    check = partial(release_orphaned_claims, toy.checkout_database([]), missed)
    await check()
    assert list(missed) == [far]
    missed[far] -= 0.9 * liveness.DEAD_AFTER_S
    await check()
    assert await toy.rows(HELD) == [([far], [far])]
    connection = await asyncpg.connect(toy.urls["checkout"].app)
    await connection.execute(liveness.TAKE_LIVENESS_LOCK, far & liveness.LOCK_KEY_MASK)
    await check()
    assert missed == {}, "the process still counts as missing"
    await connection.close()
    await until(lambda: locked(toy, 0))
    await check()
    missed[far] -= 0.9 * liveness.DEAD_AFTER_S
    await check()
    assert await toy.rows(HELD) == [([far], [far])]
    missed[far] -= 0.1 * liveness.DEAD_AFTER_S
    await check()
    assert await toy.rows(HELD) == [(None, [None])]
    assert await toy.rows("select event_id, deaths, due <= now() from messaging.scheduled") == [(id, 1, True)]


async def test_a_process_on_this_machine_is_dead_when_the_kernel_reports_its_end(toy: Toy) -> None:
    await hold(here := toy.checkout_database([]))
    check = partial(release_orphaned_claims, toy.checkout_database([]), {})
    with local_liveness.bind_liveness_socket(here.process_id):
        await check()
        assert await toy.rows(HELD) == [([here.process_id], [here.process_id])]
    await check()
    assert await toy.rows(HELD) == [(None, [None])]


async def test_a_failed_check_resets_the_time_that_a_process_was_missing(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments: list[dict[int, float]] = []

    async def check(_: Transaction, missed: dict[int, float]) -> None:
        arguments.append(dict(missed))
        missed[1] = 0.0
        if len(arguments) == 2:
            raise asyncpg.DeadlockDetectedError("deadlock")

    monkeypatch.setattr(liveness, "release_orphaned_claims", check)
    database = toy.checkout_database([])
    scheduler_task = asyncio.create_task(
        Scheduler(database, {}, CatchUpTracker(database, []), dead_letters.store).run()
    )
    await until(lambda: _is(lambda: len(arguments) > 2))
    scheduler_task.cancel()
    assert arguments[:3] == [{}, {1: 0.0}, {}]


async def test_a_process_whose_session_ended_reconnects_while_its_broker_is_down(toy: Toy) -> None:
    database, stop = toy.checkout_database([]), asyncio.Event()
    messaging = Messaging(
        service="checkout",
        subscriptions=[],
        database=database,
        broker_url="amqp://checkout:x@127.0.0.1:1/",
        clients=None,
    )
    running = asyncio.create_task(messaging.run(stop))
    await until(lambda: locked(toy, 1))
    [(before,)] = await toy.rows(LOCKS)
    await toy.rows(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and usename = current_user and pid <> pg_backend_pid()"
    )

    async def again() -> bool:
        return before not in (found := [pid for (pid,) in await toy.rows(LOCKS)]) and len(found) == 1

    await until(again, liveness.DEAD_AFTER_S + 5)
    stop.set()
    await running


async def locked(toy: Toy, number: int) -> bool:
    return len(await toy.rows(LOCKS)) == number


async def _is(condition: Callable[[], bool]) -> bool:
    return condition()


async def hold(database: Database) -> UUID:
    """Lease one entry of the schedule and claim its event, as a worker does."""
    await schedule_due(database, a_checkout())
    async with database.transaction() as tx:
        [entry] = await scheduled.lease_due(tx, [("carts", CartCheckedOutV1.type)], 1, MINUTE)
        await claims.claim(tx, "carts", [entry.envelope.id], MINUTE)
    return entry.envelope.id


async def holding_elsewhere(toy: Toy) -> tuple[UUID, int]:
    database = toy.checkout_database([])
    database.process_id ^= 1 << 40  # as if on another machine
    return await hold(database), database.process_id


async def release_orphaned_claims(database: Database, missed: dict[int, float]) -> None:
    async with database.transaction() as tx:
        await liveness.release_orphaned_claims(tx, missed)
