"""A late subscription is filled by a replay of the log stream, and ends in the state of an early one."""

import asyncio
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import aio_pika
import pytest

from contracts.cart import CartCheckedOutV1
from contracts.naming import MARKETPLACE
from marketplace_runtime.amqp import open_channel, properties_of
from marketplace_runtime.consumer import Subscription, on, subscription
from marketplace_runtime.database import new_id
from marketplace_runtime.replay import table as replay_table
from marketplace_runtime.replay.table import Replay, ReplayRequest
from tests.integration.messaging.envelopes import an_envelope
from tests.integration.messaging.operating import operating
from tests.integration.messaging.replaying import (
    EARLY,
    FILLED,
    LATE,
    LIVE,
    a_process,
    forget,
    handled_by,
    replay_of,
    storing,
    without_history,
)
from tests.integration.messaging.toy import PASSWORDS, Toy, a_checkout, until
from tests.unit.messaging.raw_properties import HEADERS, long, odd, short

HISTORY_SIZE = 60


@pytest.fixture
async def world(toy: Toy) -> AsyncIterator[Toy]:
    async with without_history(toy):
        yield toy


async def publish(toy: Toy, number: int, orders: Sequence[UUID] = ()) -> None:
    """Publish `number` events with rising prices, cycling through the orders."""
    for place in range(number):
        await toy.publish(a_checkout(orders[place % len(orders)] if orders else None, cents=place + 1))


async def publish_history(toy: Toy, number: int = HISTORY_SIZE, orders: Sequence[UUID] = ()) -> None:
    """Publish events that the early subscription handles before the late one exists."""
    async with toy.running(EARLY):
        await publish(toy, number, orders)
        await toy.until_effects(number)


async def ask(toy: Toy, table: Subscription = LIVE, **wanted: object) -> Replay | None:
    wish = {"rate": None, "holds": table.ordered_by is not None, "since": None, "offset": None, **wanted}
    async with toy.databases[-1].transaction() as tx:
        return await replay_table.begin(tx, ReplayRequest(new_id(), table.name, table.types, "ada", **wish))


async def until_ended(toy: Toy, within_s: float = 30) -> Replay:
    async def ended() -> bool:
        found = await replay_of(toy)
        return found is not None and found.state != "running"

    await until(ended, within_s)
    found = await replay_of(toy)
    assert found is not None
    return found


async def until_both_handled(toy: Toy, number: int) -> None:
    """Wait until both subscriptions have handled `number` events, and assert that these are the same."""

    async def both() -> bool:
        return len(await handled_by(toy, "early")) == number == len(await handled_by(toy, LATE))

    await until(both, 30)
    await toy.until_idle()
    assert sorted(await handled_by(toy, "early")) == sorted(await handled_by(toy, LATE))


@asynccontextmanager
async def live_events(toy: Toy) -> AsyncIterator[list[int]]:
    """Publish events until the block ends; yields a list with their number."""
    live_count = [0]
    ending = asyncio.Event()

    async def keep_publishing() -> None:
        while not ending.is_set():
            await toy.publish(a_checkout())
            live_count[0] += 1
            await asyncio.sleep(0.01)

    task = asyncio.create_task(keep_publishing())
    try:
        yield live_count
    finally:
        ending.set()
        await task


async def test_a_late_subscription_is_filled_once_while_live_events_arrive(world: Toy) -> None:
    await publish_history(world)
    async with world.running(EARLY, FILLED):
        async with live_events(world) as live_count:
            replay = await until_ended(world)
        await until_both_handled(world, HISTORY_SIZE + live_count[0])
        assert (replay.state, replay.refused, replay.too_old) == ("done", 0, 0)
        assert HISTORY_SIZE <= replay.handed <= HISTORY_SIZE + live_count[0]
        assert (await handled_by(world, LATE))[:HISTORY_SIZE] == (await handled_by(world, "early"))[:HISTORY_SIZE], (
            "history comes in order, before live events"
        )
    async with world.running(EARLY, FILLED):
        await publish(world, 1)
        await until_both_handled(world, HISTORY_SIZE + live_count[0] + 1)
        assert await replay_of(world) == replay, "a second replay was started"


async def test_every_effect_happens_once_if_the_process_is_killed_during_a_replay(world: Toy) -> None:
    number = 250
    await publish_history(world, number)
    await world.declare([EARLY, FILLED])
    async with world.started(world.messaging("cart", world.cart, [], None)), live_events(world) as live_count:
        process = a_process(world, die_after=230, rate=400)  # in its third chunk; the first is recorded completely
        await until(lambda: ended(process), 30)
        assert process.exitcode == -signal.SIGKILL
        replay = await replay_of(world)
        assert replay is not None
        assert replay.state == "running"
        assert 0 < (replay.next or 0) <= number
        assert 0 < len(await handled_by(world, LATE)) < number
        process = a_process(world, rate=400)
        try:
            assert (await until_ended(world)).state == "done"
        finally:
            process.terminate()
            await until(lambda: ended(process))
    assert process.exitcode == 0
    async with world.running(EARLY, FILLED):
        await until_both_handled(world, number + live_count[0])


@pytest.mark.slow
async def test_a_replay_waits_for_servers_that_are_killed(world: Toy) -> None:
    number = 300
    await publish_history(world, number)
    await asyncio.sleep(1)  # before 4.0 the broker stores the name of a new queue within half a second
    async with world.running(EARLY, LIVE):
        await ask(world, rate=100)
        for server in (world.broker, world.postgres):
            before = len(await handled_by(world, LATE))

            async def further(before: int = before) -> bool:
                return len(await handled_by(world, LATE)) > before + 20

            await until(further)
            await server.kill()
            await server.start()
        assert (await until_ended(world, 60)).state == "done"
        await until_both_handled(world, number)


@pytest.mark.slow
async def test_a_log_that_lost_its_data_is_reported_and_live_events_continue(world: Toy) -> None:
    await publish_history(world)
    await world.declare([EARLY, FILLED])
    process = a_process(world, die_after=10, rate=20)
    await until(lambda: ended(process))
    await forget(world, MARKETPLACE.log_stream)
    await world.declare([EARLY, FILLED])
    async with world.running(EARLY, FILLED):
        replay = await until_ended(world)
        assert replay.state == "failed"
        assert "republish" in replay.why
        before = len(await handled_by(world, LATE))
        await publish(world, 2)

        async def live() -> bool:
            return len(await handled_by(world, LATE)) == before + 2

        await until(live)


async def ended(process: object) -> bool:
    return getattr(process, "exitcode") is not None  # noqa: B009 - a process of the forkserver


@pytest.mark.slow
async def test_a_poison_message_in_the_log_is_dead_lettered_and_the_others_are_handled(world: Toy) -> None:
    async with world.running(EARLY):
        for number in range(40):
            await world.publish(a_checkout().model_copy(update={"customer_id": "poison" if number == 25 else "ada"}))
        await world.until_effects(40)
    await world.declare([EARLY, FILLED])
    for _ in range(12):
        process = a_process(world)

        async def over(process: object = process) -> bool:
            found = await replay_of(world)
            return await ended(process) or (found is not None and found.state == "done")

        await until(over, 30)
        if process.exitcode is None:
            break
        assert process.exitcode == -signal.SIGKILL
    process.terminate()
    await until(lambda: ended(process))
    assert process.exitcode == 0
    assert len(await handled_by(world, LATE)) == 39
    assert [(name, reason) for name, reason, *_ in await world.dead()] == [(LATE, "poison")]


async def test_events_in_the_log_from_another_publisher_are_ignored(world: Toy) -> None:
    await publish_history(world, 3)
    forged = a_checkout()
    properties = properties_of(an_envelope(forged, timedelta(0)), user="catalog")
    connection = await aio_pika.connect(world.broker.urls.amqp_of("catalog", PASSWORDS["catalog"]))
    async with connection:
        channel = await open_channel(connection, confirms=True)
        await channel.basic_publish(
            forged.model_dump_json().encode(),
            exchange="catalog.events",
            routing_key=CartCheckedOutV1.type,
            properties=properties,
        )
    async with world.running(EARLY, FILLED):
        replay = await until_ended(world)
        await until_both_handled(world, 3)
    assert (replay.handed, replay.refused) == (3, 1)
    assert await world.dead() == []


async def test_an_undecodable_message_in_the_log_does_not_stop_a_replay(world: Toy) -> None:
    named_oddly = short(b"\xff\xfe") + b"t\x01"
    await world.publish_raw(b"odd", odd({HEADERS: long(b"", named_oddly)}))
    await publish_history(world, 3)
    async with world.running(EARLY, FILLED):
        replay = await until_ended(world)
        await until_both_handled(world, 3)
    assert (replay.handed, replay.refused) == (3, 1)


async def test_events_older_than_the_inbox_are_counted_and_skipped(world: Toy) -> None:
    await publish_history(world, 3)
    old = a_checkout()
    await world.publish_raw(
        old.model_dump_json().encode(), properties_of(an_envelope(old, timedelta(days=8)), user="cart")
    )
    async with world.running(EARLY, FILLED):
        replay = await until_ended(world)
        await until_both_handled(world, 3)
    assert (replay.handed, replay.too_old) == (3, 1)


async def test_a_replay_of_an_empty_log_ends_without_events(world: Toy) -> None:
    async with world.running(EARLY, FILLED):
        replay = await until_ended(world)
        await publish(world, 2)
        await until_both_handled(world, 2)
    assert (replay.state, replay.handed, replay.through) == ("done", 0, -1)


@pytest.mark.slow
async def test_an_operator_replays_to_a_subscription_that_is_live(world: Toy) -> None:
    await publish_history(world)
    async with world.running(EARLY, LIVE):
        await publish(world, 5)
        await ask(world)
        assert await ask(world) is None, "a second replay was accepted while one runs"
        replay = await until_ended(world)
        await until_both_handled(world, HISTORY_SIZE + 5)
        assert (replay.handed, replay.known) == (HISTORY_SIZE, 5)
        await ask(world)
        replay = await until_ended(world)
        assert (replay.handed, replay.known) == (0, HISTORY_SIZE + 5)
        assert await world.rows("select count(*) from messaging.incidents") == [(0,)], "handled events were run again"


@pytest.mark.slow
async def test_replays_over_http_and_the_errors_of_invalid_requests(world: Toy) -> None:
    await publish_history(world)
    async with world.running(EARLY, LIVE), operating(world.databases[-1], EARLY, LIVE) as operator:

        async def refused(status: int = 422, **wish: object) -> str:
            answer = await operator.ask("POST", "history", {"id": str(new_id()), **wish}, status=status)
            return str(answer["detail"])

        assert await operator.get("history") == {"items": []}
        assert "carts, late" in await refused()
        assert "no subscription 'nobody'" in (await refused(to="nobody")).lower()
        assert "it has: cart.cart-checked-out.v1" in await refused(to=LATE, events="order-*")
        assert "7 days" in await refused(to=LATE, since=(datetime.now(UTC) - timedelta(days=8)).isoformat())
        await operator.ask("DELETE", f"history/{LATE}", status=404)
        wish = {"id": str(new_id()), "to": LATE, "events": "cart-*", "rate": 20}
        begun = await operator.post("history", **wish)
        assert await operator.post("history", **wish) == begun, "a repeated request started another replay"
        assert "running" in await refused(409, to=LATE)

        async def under_way() -> bool:
            [item] = (await operator.get("history"))["items"]
            return bool(item["handed"])

        await until(under_way)
        stopped = await operator.ask("DELETE", f"history/{LATE}")
        assert (stopped["state"], stopped["asked_by"], stopped["begun"]) == ("stopped", "grace", 0)
        assert stopped["next"] <= stopped["through"] == HISTORY_SIZE - 1
        await operator.post("history", id=str(new_id()), to=LATE)
        await until_ended(world)
        await until_both_handled(world, HISTORY_SIZE)


@pytest.mark.parametrize(
    "offset",
    [HISTORY_SIZE - 10, *(pytest.param(each, marks=pytest.mark.slow) for each in (HISTORY_SIZE, HISTORY_SIZE + 1000))],
)
async def test_a_replay_begins_at_the_requested_offset(world: Toy, offset: int) -> None:
    await publish_history(world)
    async with world.running(EARLY, LIVE):
        await ask(world, offset=offset)
        replay = await until_ended(world)
        assert (replay.state, replay.handed) == ("done", max(0, HISTORY_SIZE - offset))
        await world.until_idle()
        assert await handled_by(world, LATE) == (await handled_by(world, "early"))[offset:]


async def test_a_replay_begins_at_the_requested_time(world: Toy) -> None:
    await publish_history(world, 3)
    async with world.running(EARLY, LIVE):
        await ask(world, since=datetime.now(UTC) - timedelta(minutes=5))
        assert (await until_ended(world)).handed == 3
        await ask(world, since=datetime.now(UTC))
        replay = await until_ended(world)
        assert (replay.state, replay.handed, replay.known) == ("done", 0, 0)


@pytest.mark.slow
async def test_a_replay_keeps_its_rate_limit_and_can_be_stopped(world: Toy) -> None:
    await publish_history(world)
    clock = asyncio.get_running_loop().time
    async with world.running(EARLY, LIVE):
        began = clock()
        await ask(world, rate=50)
        await until_ended(world)
        assert clock() - began > HISTORY_SIZE / 50 - 0.5
        await ask(world, rate=1)

        async def begun() -> bool:
            found = await replay_of(world)
            return found is not None and found.known > 1

        await until(begun)
        async with world.databases[-1].transaction() as tx:
            await replay_table.stop(tx, LATE)
        replay = await until_ended(world)
        assert replay.state == "stopped"
        await asyncio.sleep(2)  # time in which nothing may happen
        assert await replay_of(world) == replay


@pytest.mark.slow
async def test_one_replica_runs_the_replay_and_another_takes_over(world: Toy) -> None:
    await publish_history(world, 200)
    await world.declare([EARLY, LIVE])
    await ask(world, rate=80)
    async with world.started(world.messaging("checkout", world.checkout_database([LIVE]), [EARLY, LIVE], None)):
        async with world.started(world.messaging("checkout", world.checkout_database([LIVE]), [EARLY, LIVE], None)):
            pass  # it stops, whether it took over the replay or not
        replay = await until_ended(world)
        await until_both_handled(world, 200)
    assert (replay.state, replay.handed, replay.known, replay.deaths) == ("done", 200, 0, 0)


async def test_an_ordered_subscription_handles_history_before_live_events(world: Toy) -> None:
    table = subscription(LATE, on(CartCheckedOutV1, storing(LATE)), ordered_by="order_id", history="first")
    orders = [new_id() for _ in range(5)]
    await publish_history(world, 100, orders)
    async with world.running(EARLY, table):
        for place in range(100, 150):
            await world.publish(a_checkout(orders[place % 5], cents=place + 1))
        await until_ended(world)
        await until_both_handled(world, 150)
    prices: defaultdict[str, list[int]] = defaultdict(list)
    for order, price in await handled_by(world, LATE):
        prices[order].append(int(price))
    assert all(each == sorted(each) for each in prices.values())
