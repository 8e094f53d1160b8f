"""A bench is emptied between two runs of a service."""

import asyncio

import pytest
from sqlalchemy.exc import DBAPIError

import catalog.service
from marketplace_runtime.testing import Bench, Servers, on_a_bench

TRIES = 5
WAITING = """
select count(*) from pg_locks join pg_database d on d.oid = database where not granted and datname = current_database()
"""


async def test_emptying_outlasts_a_transaction_with_which_it_would_lock_up(servers: Servers) -> None:
    async with on_a_bench(servers, catalog.service.SERVICE) as bench:
        for _ in range(TRIES):
            if await locked_up(bench):
                return
    pytest.fail("the server always had us give way")


async def locked_up(bench: Bench) -> bool:
    """Lock up with what empties the bench, which then has to be done. Whether it was that which gave way, not we."""
    emptying = None
    try:
        async with bench.transaction() as tx:
            await tx.execute("lock table messaging.outbox_pending in row exclusive mode")
            emptying = asyncio.create_task(bench.empty())
            async with asyncio.timeout(30):
                while await tx.execute(WAITING) == [(0,)]:
                    assert not emptying.done()
            await tx.execute("lock table messaging.claims in row exclusive mode")  # which it has by now
    except DBAPIError:  # on a machine that is busy, the server looks at our wait first
        gave_way = False
    else:
        gave_way = True
    assert emptying is not None
    async with asyncio.timeout(30):
        await emptying
    return gave_way
