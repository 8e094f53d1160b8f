"""An unpublishable event is set aside and reported; every other event is published."""

import asyncio
from uuid import UUID

import aiohttp
import pytest
from aiormq.channel import Channel

from marketplace_runtime.amqp import Publisher, wire_format
from marketplace_runtime.database import new_id
from tests.integration.messaging.bug import Bug
from tests.integration.messaging.operating import operating
from tests.integration.messaging.toy import Toy, a_checkout, until

TOO_LARGE_FOR_THE_BROKER = 17 * 1024 * 1024


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the reasons for which publishers' channels are closed."""
    reasons: list[str] = []
    lose = Publisher._fail_unconfirmed

    def note(self: Publisher, channel: Channel, closing: asyncio.Future[object]) -> None:
        reasons.append("" if closing.cancelled() else repr(closing.exception()))
        lose(self, channel, closing)

    monkeypatch.setattr(Publisher, "_fail_unconfirmed", note)
    return reasons


def working() -> Bug:
    bug = Bug()
    bug.present = False
    return bug


async def corrupt_outbox(toy: Toy, ids: list[UUID], **columns: object) -> None:
    """Change columns of pending events in the outbox."""
    for name, value in columns.items():
        await toy.rows(f"update messaging.outbox set {name} = $1 where event_id = any($2)", value, ids, service="cart")
        if name == "type":
            await toy.rows(
                "update messaging.outbox_pending set type = $1 where event_id = any($2)", value, ids, service="cart"
            )


async def set_aside(toy: Toy) -> list[str]:
    return [why for (why,) in await toy.rows("select why from messaging.outbox_set_aside order by seq", service="cart")]


async def pending(toy: Toy) -> int:
    [(number,)] = await toy.rows("select count(*) from messaging.outbox_pending", service="cart")
    return int(number)


async def until_none_is_pending(toy: Toy) -> None:
    async def none() -> bool:
        return await pending(toy) == 0

    await until(none)


async def until_refused(closed: list[str], reason: str, times: int) -> None:
    async def refused() -> bool:
        return sum(reason in each for each in closed) >= times

    await until(refused)


async def test_events_that_no_consumer_could_read_are_set_aside_and_all_others_arrive(toy: Toy) -> None:
    order = new_id()
    bad = await toy.publish(*(a_checkout() for _ in range(3)), a_checkout(order, cents=1))
    good = [a_checkout() for _ in range(20)]
    await toy.publish(*good, a_checkout(order, cents=2))
    await corrupt_outbox(toy, bad[:1], body=b"x" * (wire_format.MAX_BODY_BYTES + 1))
    await corrupt_outbox(toy, bad[1:2], type="catalog.product-listed.v1")
    await corrupt_outbox(toy, bad[2:3], subject="s" * 300_000)
    await corrupt_outbox(toy, bad[3:], traceparent="t" * 300_000)
    bug = working()
    async with toy.running(bug.table), operating(toy.cart) as operator:
        await toy.until_effects(21)
        reasons = await set_aside(toy)
        assert [why.partition(" ")[0] for why in reasons] == [
            "the",
            "cart.events",
            "'" + "s" * 40 + "'",
            "'" + "t" * 40 + "'",
        ]
        assert (await operator.get("counts"))["set_aside"] == (await operator.get("backlog"))["set_aside"] == 4
        listed = (await operator.get("set-aside"))["items"]
        assert [UUID(each["event_id"]) for each in listed] == bad
        assert await pending(toy) == 0
    # the later event of the same aggregate was published
    assert (order, "2") in await toy.effects()
    assert (order, "1") not in await toy.effects()


async def test_an_operators_retry_publishes_repaired_events_and_sets_bad_ones_aside_again(
    toy: Toy,
) -> None:
    mended, still_bad = a_checkout(), a_checkout()
    ids = await toy.publish(mended, still_bad)
    await corrupt_outbox(toy, ids, body=b"x" * (wire_format.MAX_BODY_BYTES + 1))
    async with toy.running(working().table), operating(toy.cart) as operator:
        await until_none_is_pending(toy)
        await corrupt_outbox(toy, ids[:1], body=mended.model_dump_json().encode())
        assert await operator.post("set-aside/retry", seqs=[]) == {"retried": 0}
        assert await operator.post("set-aside/retry") == {"retried": 2}
        await toy.until_effects(1)
        await until_none_is_pending(toy)
        assert [why[:8] for why in await set_aside(toy)] == ["the body"]
    assert await toy.effects() == [(mended.order_id, "100")]


async def test_an_event_that_the_broker_refuses_is_found_among_many_and_set_aside(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker with a smaller limit than assumed closes the channel; all messages in flight are then in doubt."""
    monkeypatch.setattr(wire_format, "MAX_BODY_BYTES", 10**9)
    events = [a_checkout() for _ in range(50)]
    ids = await toy.publish(*events)
    await corrupt_outbox(toy, ids[20:21], body=b" " * TOO_LARGE_FOR_THE_BROKER)
    async with toy.running(working().table):
        await toy.until_effects(49)
        await until_none_is_pending(toy)
        [why] = await set_aside(toy)
        assert "larger than" in why
        await toy.publish(a_checkout())
        await toy.until_effects(50)


async def test_while_the_broker_refuses_everything_no_event_is_set_aside(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, closed: list[str]
) -> None:
    monkeypatch.setattr(wire_format, "MAX_BODY_BYTES", 10**9)
    await corrupt_outbox(toy, await toy.publish(a_checkout()), body=b" " * TOO_LARGE_FOR_THE_BROKER)
    async with toy.running(working().table):
        await until_refused(closed, "larger than", 3)
        assert await set_aside(toy) == []
        assert await pending(toy) == 1
        await toy.publish(a_checkout())  # the broker accepts this one, so the other event was at fault
        await toy.until_effects(1)
        await until_none_is_pending(toy)
        assert len(await set_aside(toy)) == 1


async def test_without_its_exchange_a_service_waits_and_loses_nothing(toy: Toy, closed: list[str]) -> None:
    """A missing exchange affects every event, so no single event is set aside."""
    bug = working()
    async with toy.running(bug.table), aiohttp.ClientSession() as session:
        async with session.delete(f"{toy.broker.urls.management}/api/exchanges/%2F/cart.events") as answer:
            assert answer.status == 204
        await toy.publish(*(a_checkout() for _ in range(10)))
        await until_refused(closed, "NOT_FOUND", 3)
        assert (await pending(toy), await set_aside(toy)) == (10, [])
        await toy.declare([bug.table])
        await toy.until_effects(10)
    assert await set_aside(toy) == []
