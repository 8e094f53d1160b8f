"""Tests who gets which mail, exactly once, while the mail server fails."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from contracts import Money
from contracts.cart import CartAbandonedV1, Line
from contracts.catalog import StockRunningLowV1
from contracts.checkout import (
    CancellationReason,
    OrderCancelledV1,
    OrderConfirmedV1,
    OrderDeliveredV1,
    PaymentRefundedV1,
)
from contracts.delivery import CancellationRefusedV1, RefusalReason, ShipmentDispatchedV1
from contracts.upcasts import shipment_dispatched_v2
from marketplace_runtime.database import new_id
from tests.integration.delivery.running import Running, until
from tests.integration.notifications.mailbox import mails_to, text_of
from tests.integration.notifications.stored import everything_stored

PRICE = Money(amount=1999, currency="EUR")


async def a_person(world: Running, **choices: bool) -> str:
    person = f"p-{new_id()}"
    body = {"email": f"{person}@example.com", "choices": choices}
    status, _ = await world.request("PUT", f"/contacts/{person}", body, by=person)
    assert status == 200
    return person


def confirmed(person: str, order_id: UUID | None = None) -> OrderConfirmedV1:
    line = Line(product_id=new_id(), quantity=1, unit_price=PRICE)
    return OrderConfirmedV1(order_id=order_id or new_id(), customer_id=person, lines=[line], total=PRICE)


async def test_each_event_of_an_order_leads_to_one_mail(world: Running):
    person = await a_person(world)
    order = new_id()
    about = {"order_id": order, "customer_id": person}
    shipped = ShipmentDispatchedV1(**about, shipment_id=new_id(), carrier="a", tracking_code="A1")
    events = [
        confirmed(person, order),
        OrderCancelledV1(**about, reason=CancellationReason.SHIPPING_FAILED),
        PaymentRefundedV1(**about, provider="a", amount=PRICE),
        shipped,
        OrderDeliveredV1(**about),
        CancellationRefusedV1(order_id=order, reason=RefusalReason.ALREADY_DISPATCHED),
    ]
    for event in reversed(events):  # the refusal waits for the confirmation, which names the customer
        await world.publish(event)
    await world.publish(shipped, new_id())  # published again as another event: still one mail

    async def all_sent() -> bool:
        return len(await mails_to(world, person)) >= len(events)

    await until(all_sent)
    await world.until_idle()
    mails = await mails_to(world, person)
    kinds = {"cancellation-refused", "order-cancelled", "order-confirmed", "order-delivered", "payment-refunded"}
    assert sorted(mail["kind"] for mail in mails) == sorted(kinds | {"shipment-dispatched"})
    assert {mail["about"] for mail in mails} == {str(order)}
    assert len({mail["message_id"] for mail in mails}) == len(mails)
    assert await world.published(order) == ["notification-sent"] * len(events)


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ("no-address", "Record your address, then check out again"),
        pytest.param(
            "some-news", "since it could not be shipped", marks=pytest.mark.slow
        ),  # a detail that this release does not know
    ],
)
async def test_a_mail_explains_the_detail_of_a_cancellation(world: Running, detail: str, words: str):
    person, order = await a_person(world), new_id()
    about = {"order_id": order, "customer_id": person}
    await world.publish(OrderCancelledV1(**about, reason=CancellationReason.SHIPPING_FAILED, detail=detail))
    await world.until_published(order, "notification-sent")
    [mail] = await mails_to(world, person)
    assert words in await text_of(world, mail)


@pytest.mark.parametrize("newest_first", [True, False], ids=["v2, v1", "v1, v2"])
async def test_an_event_in_two_versions_leads_to_one_mail(world: Running, newest_first: bool):
    about = {"order_id": new_id(), "customer_id": await a_person(world), "shipment_id": new_id()}
    old = ShipmentDispatchedV1(**about, carrier="a", tracking_code="A1")
    versions = [shipment_dispatched_v2(old), old]
    event_id = new_id()
    for event in versions if newest_first else reversed(versions):
        await world.publish(event, event_id)

    async def both_settled() -> bool:
        found = await world.database.fetch("select what from messaging.incidents where event_id = $1", event_id)
        return [row["what"] for row in found] == ["duplicate"]

    await until(both_settled)
    await world.until_idle()
    [mail] = await mails_to(world, about["customer_id"])
    assert mail["kind"] == "shipment-dispatched"
    assert await world.published(about["order_id"]) == ["notification-sent"]


async def test_reminders_of_carts_and_stock_may_repeat(world: Running):
    person = await a_person(world)
    product = new_id()
    for event in (
        CartAbandonedV1(customer_id=person, product_ids=[product]),
        CartAbandonedV1(customer_id=person, product_ids=[product]),
        StockRunningLowV1(product_id=product, seller_id=person, available=2),
    ):
        event_id = await world.publish(event)
        await world.publish(event, event_id)  # delivered twice: one mail

    async def all_sent() -> bool:
        return len(await mails_to(world, person)) >= 3

    await until(all_sent)
    await world.until_idle()
    kinds = sorted(mail["kind"] for mail in await mails_to(world, person))
    assert kinds == ["cart-abandoned", "cart-abandoned", "stock-running-low"]


async def test_a_person_without_a_contact_gets_no_mail(world: Running):
    order = confirmed(f"p-{new_id()}")
    await world.publish(order)
    assert await world.until_published(order.order_id, "notification-failed") == ["notification-failed"]
    status, page = await world.request("GET", "/notifications", by=order.customer_id)
    assert status == 200
    assert [(notification["status"], notification["failure"]) for notification in page["items"]] == [
        ("failed", "no-contact")
    ]


async def test_a_person_who_declined_mail_gets_none(world: Running):
    person = await a_person(world, order_updates=False)
    await world.publish(confirmed(person))
    await world.publish(CartAbandonedV1(customer_id=person, product_ids=[new_id()]))

    async def reminded() -> bool:
        return bool(await mails_to(world, person))

    await until(reminded)
    await world.until_idle()
    assert [mail["kind"] for mail in await mails_to(world, person)] == ["cart-abandoned"]
    _, page = await world.request("GET", "/notifications", by=person)
    assert {notification["kind"]: notification["status"] for notification in page["items"]} == {
        "cart-abandoned": "sent",
        "order-confirmed": "skipped",
    }


@pytest.mark.parametrize("fault", [{"error_rate": 1.0}, {"hang_rate": 1.0}])
async def test_mail_waits_for_a_failing_mail_server(world: Running, fault: dict[str, float]):
    person = await a_person(world)
    await world.set_dial("mail", **fault)
    order = confirmed(person)
    await world.publish(order)

    async def retried() -> bool:
        attempt = await world.database.fetchval(
            "select attempt from messaging.scheduled where subject = $1", str(order.order_id)
        )
        return attempt is not None

    await until(retried)
    assert await world.published(order.order_id) == []
    await world.set_dial("mail")
    await world.until_published(order.order_id, "notification-sent", within_s=60)
    assert len(await mails_to(world, person)) == 1


async def test_mail_is_repeated_only_if_the_answer_was_lost(world: Running):
    person = await a_person(world)
    await world.set_dial("mail", lost_answer_rate=1)
    order = confirmed(person)
    await world.publish(order)

    async def received() -> bool:
        return bool(await mails_to(world, person))

    await until(received)
    await world.set_dial("mail")
    await world.until_published(order.order_id, "notification-sent", within_s=60)
    mails = await mails_to(world, person)
    assert len(mails) >= 2
    assert len({mail["message_id"] for mail in mails}) == 1


async def test_erasing_a_contact_stops_mail_and_leaves_no_address_behind(world: Running):
    person = await a_person(world)
    await world.set_dial("mail", error_rate=1)
    order = confirmed(person)
    await world.publish(order)
    assert await world.request("DELETE", f"/contacts/{person}", by=person) == (204, None)
    await world.until_published(order.order_id, "notification-failed", within_s=60)
    assert await mails_to(world, person) == []
    address = f"{person}@example.com"
    assert address not in await everything_stored(world.database)
    assert address not in world.log.read_text()


async def test_many_mails_share_a_few_connections(world: Running):
    people = await asyncio.gather(*(a_person(world) for _ in range(10)))
    orders = [confirmed(person) for person in people for _ in range(10)]
    await asyncio.gather(*(world.publish(order) for order in orders))
    for order in orders:
        await world.until_published(order.order_id, "notification-sent")
    for person in people:
        assert len(await mails_to(world, person)) == 10


async def test_a_persons_notifications_are_listed_newest_first_in_pages(world: Running):
    person = await a_person(world)
    orders = [confirmed(person) for _ in range(5)]
    for order in orders:
        await world.publish(order)
        await world.until_published(order.order_id, "notification-sent")
    read: list[str] = []
    cursor = ""
    while True:
        status, page = await world.request("GET", f"/notifications?limit=2{cursor}", by=person)
        assert status == 200
        read += [notification["about"] for notification in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert read == [str(order.order_id) for order in reversed(orders)]
    _, others = await world.request("GET", "/notifications", by="mallory")
    assert others["items"] == []
    assert (await world.request("GET", f"/notifications?cursor={'x' * 9}", by=person))[0] == 422
    assert (await world.request("GET", "/notifications"))[0] == 401


async def test_only_its_owner_can_see_or_change_contact_data(world: Running):
    person = await a_person(world)
    path = f"/contacts/{person}"
    body = {"email": f"{person}@example.com", "choices": {"order_updates": True, "reminders": True}}
    assert await world.request("GET", path, by=person) == (200, body)
    changed = body | {"choices": {"order_updates": True, "reminders": False}}
    assert await world.request("PUT", path, changed, by=person) == (200, changed)
    for method, sent in (("GET", None), ("PUT", body), ("DELETE", None)):
        assert (await world.request(method, path, sent, by="mallory"))[0] == 404
        assert (await world.request(method, path, sent))[0] == 401
    assert await world.request("GET", path, by=person) == (200, changed)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "ada"},
        {"email": "ada@example.com\r\nBcc: mallory@example.com"},
        {"email": "ada@example.com, mallory@example.com"},
        {"email": "Ada <ada@example.com>"},
        {"email": "a..b@example.com"},
        {"email": "x" * 250 + "@example.com"},
        {"email": 7},
        {"email": "ada@example.com", "choices": {"order_updates": "perhaps"}},
        {"email": "ada@example.com", "choices": {"everything": True}},
    ],
)
async def test_invalid_contact_data_is_refused(world: Running, body: dict[str, Any]):
    status, problem = await world.request("PUT", "/contacts/ada", body, by="ada")
    assert status == 422
    assert problem["type"].startswith("urn:problem:marketplace:")


async def test_the_error_of_an_invalid_mail_address_is_a_sentence(world: Running):
    _, problem = await world.request("PUT", "/contacts/ada", {"email": "ada"}, by="ada")
    [error] = problem["errors"]
    assert error["detail"].startswith("This is not a valid mail address: use one like ada@example.com")
