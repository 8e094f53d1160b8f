"""One outbox row that can't be published is set aside and reported; every other event leaves."""

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
    """Why the publishers' channels were closed, one after the other."""
    reasons: list[str] = []
    lose = Publisher._lose

    def note(self: Publisher, channel: Channel, closing: asyncio.Future[object]) -> None:
        reasons.append("" if closing.cancelled() else repr(closing.exception()))
        lose(self, channel, closing)

    monkeypatch.setattr(Publisher, "_lose", note)
    return reasons


def working() -> Bug:
    bug = Bug()
    bug.there = False
    return bug


async def spoil(toy: Toy, ids: list[UUID], **columns: object) -> None:
    """Change what is committed in the outbox and not published yet."""
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


async def test_what_no_consumer_would_read_is_set_aside_and_all_else_arrives(toy: Toy) -> None:
    order = new_id()
    bad = await toy.say(*(a_checkout() for _ in range(3)), a_checkout(order, cents=1))
    good = [a_checkout() for _ in range(20)]
    await toy.say(*good, a_checkout(order, cents=2))
    await spoil(toy, bad[:1], body=b"x" * (wire_format.MAX_BODY_BYTES + 1))
    await spoil(toy, bad[1:2], type="catalog.product-listed.v1")
    await spoil(toy, bad[2:3], subject="s" * 300_000)
    await spoil(toy, bad[3:], traceparent="t" * 300_000)
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
    # the later event of the same aggregate went on
    assert (order, "2") in await toy.effects()
    assert (order, "1") not in await toy.effects()


async def test_what_was_set_aside_is_published_when_an_operator_retries_it_and_what_is_still_bad_is_not(
    toy: Toy,
) -> None:
    mended, still_bad = a_checkout(), a_checkout()
    ids = await toy.say(mended, still_bad)
    await spoil(toy, ids, body=b"x" * (wire_format.MAX_BODY_BYTES + 1))
    async with toy.running(working().table), operating(toy.cart) as operator:
        await until_none_is_pending(toy)
        await spoil(toy, ids[:1], body=mended.model_dump_json().encode())
        assert await operator.post("set-aside/retry", seqs=[]) == {"retried": 0}
        assert await operator.post("set-aside/retry") == {"retried": 2}
        await toy.until_effects(1)
        await until_none_is_pending(toy)
        assert [why[:8] for why in await set_aside(toy)] == ["the body"]
    assert await toy.effects() == [(mended.order_id, "100")]


async def test_what_the_broker_refuses_is_found_among_many_and_set_aside(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a broker takes less than we think: it closes the channel, and all in flight on it is in doubt."""
    monkeypatch.setattr(wire_format, "MAX_BODY_BYTES", 10**9)
    events = [a_checkout() for _ in range(50)]
    ids = await toy.say(*events)
    await spoil(toy, ids[20:21], body=b" " * TOO_LARGE_FOR_THE_BROKER)
    async with toy.running(working().table):
        await toy.until_effects(49)
        await until_none_is_pending(toy)
        [why] = await set_aside(toy)
        assert "larger than" in why
        await toy.say(a_checkout())
        await toy.until_effects(50)


async def test_while_the_broker_refuses_everything_no_event_is_blamed(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, closed: list[str]
) -> None:
    monkeypatch.setattr(wire_format, "MAX_BODY_BYTES", 10**9)
    await spoil(toy, await toy.say(a_checkout()), body=b" " * TOO_LARGE_FOR_THE_BROKER)
    async with toy.running(working().table):
        await until_refused(closed, "larger than", 3)
        assert await set_aside(toy) == []
        assert await pending(toy) == 1
        await toy.say(a_checkout())  # which it takes: so it was the event
        await toy.until_effects(1)
        await until_none_is_pending(toy)
        assert len(await set_aside(toy)) == 1


async def test_without_its_exchange_a_service_waits_and_loses_nothing(toy: Toy, closed: list[str]) -> None:
    """A missing exchange is no event's fault: it is every event's."""
    bug = working()
    async with toy.running(bug.table), aiohttp.ClientSession() as session:
        async with session.delete(f"{toy.broker.urls.management}/api/exchanges/%2F/cart.events") as answer:
            assert answer.status == 204
        await toy.say(*(a_checkout() for _ in range(10)))
        await until_refused(closed, "NOT_FOUND", 3)
        assert (await pending(toy), await set_aside(toy)) == (10, [])
        await toy.declare([bug.table])
        await toy.until_effects(10)
    assert await set_aside(toy) == []
