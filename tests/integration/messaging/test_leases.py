"""Entries that wait for a free slot are leased, so that two replicas never make the same call."""

from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest

from contracts.cart import CartCheckedOutV1
from contracts.checkout import PaymentDueV1
from marketplace_runtime.consumer import on, subscription
from marketplace_runtime.database import Transaction, new_id
from marketplace_runtime.external_calls import claims, local_liveness
from marketplace_runtime.scheduler import table as scheduled
from marketplace_runtime.scheduler.scheduler import MAX_ENTRIES_PER_QUERY
from tests.integration.messaging.due import schedule_due
from tests.integration.messaging.external_calls import TABLE, Provider, calling, make_call, prepare, record
from tests.integration.messaging.toy import Toy, a_checkout, effect, until

MINUTE = timedelta(minutes=1)
LEFT = "select count(distinct event_id) from messaging.incidents where why = 'no place was free in time'"


async def note_deadline(event: PaymentDueV1, tx: Transaction) -> None:
    await effect(tx, event.order_id, "due")


async def test_only_as_many_entries_are_leased_as_will_soon_run_and_deadlines_come_first(toy: Toy) -> None:
    many, concurrency, batch = 400, 4, 10
    table = subscription(
        "carts",
        on(CartCheckedOutV1, prepare=prepare, call=make_call, record=record),
        on(PaymentDueV1, note_deadline),
        concurrency=concurrency,
        batch=batch,
    )
    provider = Provider()
    provider.answering.clear()
    async with toy.running(table, clients=provider):
        await schedule_due(toy.databases[-1], *(a_checkout() for _ in range(many)))
        await schedule_due(toy.databases[-1], PaymentDueV1(order_id=new_id()))
        await until(lambda: has_effect(toy, "due"))
        [(leased,)] = await toy.rows("select count(*) from messaging.scheduled where holder is not null")
        assert concurrency <= leased < concurrency + 2 * batch + MAX_ENTRIES_PER_QUERY
        provider.answering.set()
        await toy.until_effects(2 * many + 1)
        await toy.until_idle()
    assert len(provider.asked) == many
    assert set(provider.asked.values()) == {1}


async def test_no_more_entries_are_taken_than_requested_under_any_query_plan(toy: Toy) -> None:
    database = toy.checkout_database([])
    await schedule_due(database, *(a_checkout() for _ in range(50)))
    accepted_types = [("carts", CartCheckedOutV1.type)]
    for joins in ("nestloop", "hashjoin", "mergejoin"):
        async with database.transaction() as tx:
            for each in {"nestloop", "hashjoin", "mergejoin", "material", "hashagg", "sort"} - {joins}:
                await tx.execute(f"set local enable_{each} = off")
            assert len(await scheduled.lease_due(tx, accepted_types, 5, MINUTE)) == 5


async def has_effect(toy: Toy, what: str) -> bool:
    return await toy.rows("select true from effects where what = $1 limit 1", what) == [(True,)]


async def test_a_call_that_gets_its_slot_when_the_claim_is_about_to_expire_is_left_to_others(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marketplace_runtime.consumer.call.LEASE", timedelta(seconds=1))
    monkeypatch.setattr("marketplace_runtime.external_calls.call_pool.SLOT_TIMEOUT_S", 0.5)
    provider = Provider()
    provider.answering.clear()
    call = on(CartCheckedOutV1, prepare=prepare, call=make_call, record=record)
    other = toy.checkout_database([])
    await schedule_due(other, *(a_checkout() for _ in range(6)))
    table = subscription("carts", call, concurrency=1)
    with local_liveness.bind_liveness_socket(other.process_id):
        async with toy.running(table, clients=provider):
            await toy.until_effects(6)
            await until(partial(calling, provider))
            [first] = provider.asked
            waiting = await toy.rows("select event_id from messaging.scheduled where subject <> $1", str(first))
            taken: set[UUID] = set()

            async def taken_over() -> bool:
                async with other.transaction() as tx:
                    taken.update(await claims.claim(tx, "carts", [id for (id,) in waiting], MINUTE))
                return len(taken) == 5

            await until(taken_over)
            provider.answering.set()

            async def others_have_ended() -> bool:
                [(left,)] = await toy.rows(LEFT)
                return len(provider.asked) == 6 or bool(left == 5)

            await until(others_have_ended)
            assert list(provider.asked) == [first], "the other calls belong to another replica"
            async with other.transaction() as tx:
                await claims.release(tx, "carts", list(taken))
            await toy.until_idle()
    assert list(provider.asked.values()) == [1] * 6
    assert [what for _, what in await toy.effects()].count("yes") == 6


async def test_only_its_holder_can_release_a_claim(toy: Toy) -> None:
    one, two, id = toy.checkout_database([]), toy.checkout_database([]), new_id()
    async with one.transaction() as tx:
        assert await claims.claim(tx, "carts", [id], timedelta(0)) == {id}
    async with two.transaction() as tx:
        assert await claims.claim(tx, "carts", [id], MINUTE) == {id}
    async with one.transaction() as tx:
        await claims.release(tx, "carts", [id])
    assert await toy.rows("select holder from messaging.claims") == [(two.process_id,)]
    async with two.transaction() as tx:
        await claims.release(tx, "carts", [id])
    assert await toy.rows("select * from messaging.claims") == []


async def test_an_entry_taken_again_by_the_same_process_does_not_count_as_a_death(toy: Toy) -> None:
    one, two = toy.checkout_database([]), toy.checkout_database([])
    await schedule_due(one, a_checkout())
    deaths = []
    for database in (one, one, one, two, one):
        async with database.transaction() as tx:
            [entry] = await scheduled.lease_due(tx, [("carts", CartCheckedOutV1.type)], 1, timedelta(0))
        deaths.append(entry.deaths)
    assert deaths == [0, 0, 0, 1, 2]


async def test_an_entry_that_is_postponed_without_running_keeps_its_count_of_deaths(toy: Toy) -> None:
    provider, other = Provider(), toy.checkout_database([])
    await schedule_due(other, a_checkout())
    [(id,)] = await toy.rows("update messaging.scheduled set deaths = 2 returning event_id")
    async with other.transaction() as tx:
        await claims.claim(tx, "carts", [id], MINUTE)
    with local_liveness.bind_liveness_socket(other.process_id):
        async with toy.running(TABLE, clients=provider):
            await until(lambda: is_postponed(toy))
            assert await toy.rows("select deaths from messaging.scheduled") == [(2,)]
            async with other.transaction() as tx:
                await claims.release(tx, "carts", [id])
            await toy.until_idle()
    assert list(provider.asked.values()) == [1]


async def is_postponed(toy: Toy) -> bool:
    why = "another process is making this call"
    return await toy.rows("select true from messaging.incidents where why = $1 limit 1", why) == [(True,)]
