"""A harness empties its database between two runs of a service."""

import asyncio

import pytest
from sqlalchemy.exc import DBAPIError

import catalog.service
from marketplace_runtime.testing import Servers, ServiceHarness, service_harness

TRIES = 5
WAITING = """
select count(*) from pg_locks join pg_database d on d.oid = database where not granted and datname = current_database()
"""


async def test_emptying_is_retried_after_a_deadlock(servers: Servers) -> None:
    async with service_harness(servers, catalog.service.SERVICE) as harness:
        for _ in range(TRIES):
            if await deadlock_with_emptying(harness):
                return
    pytest.fail("in every try the server aborted the test's transaction, not the emptying")


async def deadlock_with_emptying(harness: ServiceHarness) -> bool:
    """Deadlock with the emptying of the harness, which must then finish. Return whether it was the victim."""
    emptying = None
    try:
        async with harness.transaction() as tx:
            await tx.execute("lock table messaging.outbox_pending in row exclusive mode")
            emptying = asyncio.create_task(harness.empty())
            async with asyncio.timeout(30):
                while await tx.execute(WAITING) == [(0,)]:
                    assert not emptying.done()
            await tx.execute("lock table messaging.claims in row exclusive mode")  # the emptying holds this lock by now
    except DBAPIError:  # on a busy machine the server checks our wait first
        was_victim = False
    else:
        was_victim = True
    assert emptying is not None
    async with asyncio.timeout(30):
        await emptying
    return was_victim
