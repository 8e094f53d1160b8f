"""Follows an order through checkout, with a real broker, database and payment providers."""

import asyncio

import pytest

from checkout.domain import Payment, Reason, Status
from checkout.handlers import cancel_order
from contracts.delivery import (
    CancellationRefusedV1,
    RefusalReason,
    ShipmentCancelledV1,
)
from tests.integration.checkout.marketplace import CUSTOMER, Marketplace
from tests.integration.outside.outside_process import set_dial


@pytest.fixture
def limits() -> dict[str, str]:
    return {"PAYMENT_TIMEOUT_S": "0.5", "PAYMENT_DEADLINE_S": "2"}


async def cancel(marketplace: Marketplace, order_id: object) -> None:
    async with marketplace.database.transaction() as tx:
        assert await cancel_order(order_id, CUSTOMER, tx)


async def test_an_order_is_reserved_paid_confirmed_and_delivered(marketplace: Marketplace) -> None:
    order_id = await marketplace.place()
    await marketplace.until_status(order_id, Status.CONFIRMED)
    await marketplace.deliver(order_id)
    await marketplace.until_status(order_id, Status.DELIVERED)
    assert await marketplace.held(order_id) == {"a": 1400, "b": 0}
    assert await marketplace.published_types(order_id) == [
        "order-placed",
        "payment-captured",
        "order-confirmed",
        "order-delivered",
    ]


async def test_many_concurrent_orders_are_each_paid_once(marketplace: Marketplace) -> None:
    ids = await asyncio.gather(*(marketplace.place() for _ in range(30)))
    for order_id in ids:
        await marketplace.until_status(order_id, Status.CONFIRMED)
        assert await marketplace.held(order_id) == {"a": 1400, "b": 0}


async def test_the_other_provider_charges_when_the_first_cannot(marketplace: Marketplace) -> None:
    await set_dial(marketplace.http, "payments-a", error_rate=1)
    order_id = await marketplace.place()
    order = await marketplace.until_status(order_id, Status.CONFIRMED)
    assert order.provider == "b"
    assert await marketplace.held(order_id) == {"a": 0, "b": 1400}


async def test_when_neither_provider_can_the_order_is_cancelled_at_the_deadline(marketplace: Marketplace) -> None:
    for provider in "ab":
        await set_dial(marketplace.http, f"payments-{provider}", error_rate=1)
    order_id = await marketplace.place()
    order = await marketplace.until_status(order_id, Status.CANCELLED)
    assert order.reason is Reason.PAYMENT_TIMED_OUT
    assert await marketplace.held(order_id) == {"a": 0, "b": 0}


@pytest.mark.slow  # it waits for the deadline, as test_payment_deadlines.py does
async def test_a_capture_whose_answer_was_lost_is_refunded_at_the_deadline(marketplace: Marketplace) -> None:
    await set_dial(marketplace.http, "payments-a", lost_answer_rate=1)
    order_id = await marketplace.place()
    await marketplace.until_status(order_id, Status.VOIDING)
    await set_dial(marketplace.http, "payments-a")
    order = await marketplace.until_status(order_id, Status.CANCELLED)
    assert (order.reason, order.payment) == (Reason.PAYMENT_TIMED_OUT, Payment.VOIDED)
    assert await marketplace.held(order_id) == {"a": 0, "b": 0}


async def test_a_decline_cancels_the_order_without_trying_the_other_provider(marketplace: Marketplace) -> None:
    await set_dial(marketplace.http, "payments-a", decline_rate=1)
    order_id = await marketplace.place()
    await marketplace.until_status(order_id, Status.CANCELLED)
    assert (await marketplace.published_types(order_id))[-2:] == ["payment-declined", "order-cancelled"]
    assert "payment-voided" not in await marketplace.history(order_id)


async def test_a_cancelled_confirmed_order_is_refunded(marketplace: Marketplace) -> None:
    order_id = await marketplace.place()
    await marketplace.until_status(order_id, Status.CONFIRMED)
    await cancel(marketplace, order_id)
    await marketplace.publish(ShipmentCancelledV1(order_id=order_id), ShipmentCancelledV1(order_id=order_id))
    await marketplace.until(order_id, lambda order: order.payment is Payment.REFUNDED)
    assert await marketplace.held(order_id) == {"a": 0, "b": 0}
    assert (await marketplace.published_types(order_id))[-3:] == [
        "cancellation-requested",
        "order-cancelled",
        "payment-refunded",
    ]


async def test_a_refused_cancellation_is_visible_and_the_order_continues(marketplace: Marketplace) -> None:
    order_id = await marketplace.place()
    await marketplace.until_status(order_id, Status.CONFIRMED)
    await cancel(marketplace, order_id)
    await marketplace.publish(CancellationRefusedV1(order_id=order_id, reason=RefusalReason.ALREADY_DISPATCHED))
    order = await marketplace.until_status(order_id, Status.CONFIRMED)
    assert order.cancellation_refused == "already-dispatched"
    await marketplace.deliver(order_id)
    await marketplace.until_status(order_id, Status.DELIVERED)


async def test_a_customer_who_cancels_during_a_charge_pays_nothing(marketplace: Marketplace) -> None:
    await set_dial(marketplace.http, "payments-a", latency_ms=300)
    order_id = await marketplace.place()
    await marketplace.until_status(order_id, Status.PAYING)
    await cancel(marketplace, order_id)
    order = await marketplace.until_status(order_id, Status.CANCELLED)
    assert order.reason is Reason.CUSTOMER
    await marketplace.until(order_id, lambda order: order.payment is Payment.VOIDED)
    assert await marketplace.held(order_id) == {"a": 0, "b": 0}
