"""A bench is emptied between two runs of a service."""

import asyncio

import catalog.service
from infra.testing import Servers, on_a_bench

WAITING = """
select count(*) from pg_locks join pg_database d on d.oid = database where not granted and datname = current_database()
"""


async def test_emptying_outlasts_a_transaction_with_which_it_would_lock_up(servers: Servers) -> None:
    async with on_a_bench(servers, catalog.service.SERVICE) as bench:
        async with bench.transaction() as tx:
            await tx.execute("lock table messaging.outbox_pending in row exclusive mode")
            emptying = asyncio.create_task(bench.empty())
            async with asyncio.timeout(30):
                while await tx.execute(WAITING) == [(0,)]:
                    assert not emptying.done()
            await tx.execute("lock table messaging.claims in row exclusive mode")  # which it has by now
        async with asyncio.timeout(30):
            await emptying
