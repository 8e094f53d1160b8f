"""Dead letters of any age are redriven under their own ids; publishers' clocks may be wrong by an hour."""

from datetime import timedelta
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from contracts import Envelope
from contracts.cart import CartCheckedOutV1
from marketplace_runtime.amqp import properties_of
from marketplace_runtime.consumer import on, subscription
from marketplace_runtime.database import ScheduleEntry, Transaction
from tests.integration.messaging.bug import Bug
from tests.integration.messaging.envelopes import an_envelope
from tests.integration.messaging.operating import operating
from tests.integration.messaging.toy import Toy, a_checkout, effect


async def handle(event: CartCheckedOutV1, tx: Transaction) -> None:
    await effect(tx, event.order_id)


TABLE = subscription("carts", on(CartCheckedOutV1, handle))


async def publish(toy: Toy, event: CartCheckedOutV1, *, age: timedelta) -> Envelope:
    """Publish an event with an id of this age; a negative age is in the future."""
    envelope = an_envelope(event, age)
    await toy.publish_raw(event.model_dump_json().encode(), properties_of(envelope, user="cart"))
    return envelope


@pytest.mark.parametrize(
    ("age", "reason"), [(timedelta(days=8), "too-old"), (timedelta(days=-30), "from-the-future")], ids=["old", "future"]
)
@pytest.mark.parametrize("edited", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["as-is", "edited"])
async def test_a_message_outside_the_horizon_is_dead_lettered_and_redriven_under_its_id(
    toy: Toy, age: timedelta, reason: str, edited: bool
) -> None:
    event = a_checkout()
    async with toy.running(TABLE), operating(toy.databases[-1], TABLE) as operator:
        envelope = await publish(toy, event, age=age)
        await toy.until_dead(1)
        [letter] = (await operator.get("dead-letters"))["items"]
        assert (letter["reason"], letter["event_id"]) == (reason, str(envelope.id))
        if edited:
            body = {"body": event.model_dump(mode="json"), "note": "the same"}
            mended = await operator.post(f"dead-letters/{letter['id']}/edit", **body)
            assert mended["event_id"] == str(envelope.id)
        else:
            assert (await operator.post("replays", ids=[letter["id"]]))["settled"] == 1
        await toy.until_effects(1)
        await toy.until_idle()
    assert await toy.effects() == [(event.order_id, "handled")]
    assert await toy.dead() == []


async def test_an_old_dead_head_of_a_key_is_redriven_and_the_parked_events_follow(toy: Toy) -> None:
    """With a new id it would not be the head, and the events parked behind it would wait forever."""
    bug = Bug()
    table = subscription("carts", on(CartCheckedOutV1, bug.handle, attempts=1), ordered_by="order_id")
    first = a_checkout(cents=100)
    later = [a_checkout(first.order_id, cents=cents) for cents in (101, 102)]
    async with toy.checkout_database([table]).transaction() as tx:
        old = an_envelope(first, timedelta(days=8))
        tx.schedule_entry(
            ScheduleEntry("carts", old, first.model_dump_json().encode(), timedelta(0), attempt=1, why="replay")
        )
    async with toy.running(table), operating(toy.databases[-1], table) as operator:
        await toy.until_dead(1)
        await toy.publish(*later)
        bug.present = False
        [letter] = (await operator.get("dead-letters"))["items"]
        assert (await operator.post("replays", ids=[letter["id"]]))["settled"] == 1
        await toy.until_effects(3)
    assert await toy.rows("select what from effects order by position") == [("100",), ("101",), ("102",)]


async def test_events_of_a_publisher_whose_clock_is_ahead_are_handled_and_it_is_named(
    toy: Toy, capfd: pytest.CaptureFixture[str]
) -> None:
    events = [a_checkout() for _ in range(3)]
    async with toy.running(TABLE):
        for event, minutes in zip(events, (0, 6, 59), strict=True):
            await publish(toy, event, age=timedelta(minutes=-minutes))
        await toy.until_effects(3)
        await toy.until_idle()
    assert await toy.dead() == []
    ahead_s = REGISTRY.get_sample_value("publisher_clock_ahead_seconds", {"publisher": "cart"})
    assert ahead_s == pytest.approx(59 * 60, abs=60)


async def test_a_duplicate_of_an_event_with_a_future_id_has_no_second_effect(toy: Toy) -> None:
    event = a_checkout()
    envelope = an_envelope(event, timedelta(minutes=-59))
    async with toy.running(TABLE):
        for _ in range(2):
            await toy.publish_raw(event.model_dump_json().encode(), properties_of(envelope, user="cart"))
        await toy.until_effects(1)
        await toy.until_idle()
    assert await toy.effects() == [(UUID(str(event.order_id)), "handled")]
