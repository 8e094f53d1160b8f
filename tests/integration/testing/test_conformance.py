"""Each subscription of the services passes the conformance test; handlers that break its rules fail it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

import cart.domain
import cart.service
import catalog.domain
import catalog.service
import checkout.gateways
import checkout.service
import delivery.domain
import delivery.gateways
import delivery.service
import notifications.domain
import notifications.gateways
import notifications.service
import notifications.webhooks.domain as hooks
from contracts import Event, Money
from contracts.cart import CartCheckedOutV1, Line
from contracts.catalog import PriceChangedV1, ProductFacts, ProductListedV1, ProductStatus, StockReservedV1
from contracts.checkout import (
    CancellationReason,
    CancellationRequestedV1,
    OrderCancelledV1,
    OrderConfirmedV1,
    OrderDeliveredV1,
    OrderPlacedV1,
)
from contracts.delivery import (
    AddressErasedV1,
    AddressRecordedV1,
    ShipmentDeliveredV1,
    ShipmentDispatchedV1,
    ShipmentScheduledV1,
)
from marketplace_runtime.consumer import on, subscription
from marketplace_runtime.database import Transaction, publishes
from marketplace_runtime.service import Service
from marketplace_runtime.testing import ConformanceError, Servers, assert_conforms

PRODUCT, ORDER, OTHER, SHIPMENT = (UUID(f"01930000-0000-7000-8000-{number:012}") for number in range(1, 5))
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PRICE, TOTAL = Money(amount=700, currency="EUR"), Money(amount=1400, currency="EUR")
LINES = [Line(product_id=PRODUCT, quantity=2, unit_price=PRICE)]
ADA = {"customer_id": "ada"}


def placed(order_id: UUID) -> OrderPlacedV1:
    return OrderPlacedV1(order_id=order_id, lines=LINES, total=TOTAL, **ADA)


def confirmed(order_id: UUID) -> OrderConfirmedV1:
    return OrderConfirmedV1(order_id=order_id, lines=LINES, total=TOTAL, **ADA)


def cancelled(order_id: UUID) -> OrderCancelledV1:
    return OrderCancelledV1(order_id=order_id, reason=CancellationReason.CUSTOMER, **ADA)


def checked_out(order_id: UUID) -> CartCheckedOutV1:
    return CartCheckedOutV1(order_id=order_id, lines=LINES, total=TOTAL, address_id=SHIPMENT, **ADA)


def facts(version: int, amount: int) -> dict[str, Any]:
    money = Money(amount=amount, currency="EUR")
    known = ProductFacts(version=version, name="Lamp", category="home", price=money, status=ProductStatus.ON_SALE)
    return {"product_id": PRODUCT, "facts": known}


async def test_catalog_orders(servers: Servers) -> None:
    async def stock(tx: Transaction) -> None:
        price = catalog.domain.Price(700, "EUR")
        tx.add(catalog.domain.Product(PRODUCT, "sam", "Lamp", "home", price, on_hand=5, low_stock_threshold=0))

    events = [placed(ORDER), placed(OTHER), confirmed(ORDER), cancelled(OTHER)]
    await assert_conforms(servers, catalog.service.SERVICE, "orders", events, setup=stock)


@pytest.mark.slow
async def test_cart_products(servers: Servers) -> None:
    events = [
        ProductListedV1(seller_id="sam", **facts(1, 700)),
        PriceChangedV1(**facts(2, 800)),
        PriceChangedV1(**facts(3, 900)),
    ]
    await assert_conforms(servers, cart.service.SERVICE, "products", events, in_any_order=True)


@pytest.mark.slow
async def test_cart_orders(servers: Servers) -> None:
    async def two_checkouts(tx: Transaction) -> None:
        product = cart.domain.ProductCopy(PRODUCT, "Lamp", cart.domain.Price(700, "EUR"), cart.domain.Status.ON_SALE, 1)
        ada = cart.domain.Cart("ada", NOON)
        ada.put(product, 2)
        first, _ = ada.check_out(ORDER, [product])
        ada.put(product, 3)
        second, _ = ada.check_out(OTHER, [product])
        for row in (product, ada, first, second):
            tx.add(row)

    events = [confirmed(ORDER), cancelled(OTHER)]
    await assert_conforms(servers, cart.service.SERVICE, "orders", events, setup=two_checkouts, in_any_order=True)


def paid(request: Any) -> Any:
    return checkout.gateways.Captured(request.provider)


@pytest.mark.slow
@pytest.mark.parametrize("service", [cart.service.SERVICE, checkout.service.SERVICE], ids=lambda each: each.name)
async def test_copies_of_addresses(servers: Servers, service: Service) -> None:
    events = [
        AddressRecordedV1(address_id=ORDER, revision=1, **ADA),
        AddressRecordedV1(address_id=OTHER, revision=2, **ADA),
        AddressErasedV1(revision=3, **ADA),
    ]
    await assert_conforms(servers, service, "addresses", events, in_any_order=True)


async def test_checkout_carts(servers: Servers) -> None:
    events = [checked_out(ORDER), checked_out(OTHER)]
    await assert_conforms(servers, checkout.service.SERVICE, "carts", events, answer=paid, in_any_order=True)


async def test_checkout_reservations(servers: Servers) -> None:
    async def orders(tx: Transaction) -> None:
        for order_id in (ORDER, OTHER):
            await checkout.handlers.place_order(checked_out(order_id), tx)

    events = [StockReservedV1(order_id=order_id, expires_at=NOON) for order_id in (ORDER, OTHER)]
    await assert_conforms(
        servers, checkout.service.SERVICE, "reservations", events, setup=orders, answer=paid, in_any_order=True
    )


def booked(request: Any) -> Any:
    match request:
        case delivery.gateways.Book():
            return delivery.gateways.Booked(request.carrier, "T1")
        case _:
            return delivery.gateways.Closed(request.carrier)


async def an_address(tx: Transaction) -> None:
    tx.add(delivery.domain.Address("ada", delivery.domain.PostalAddress("Ada", "1 Main St", "Berlin", "10115", "DE")))


@pytest.mark.slow
async def test_delivery_orders(servers: Servers) -> None:
    events = [confirmed(ORDER), CancellationRequestedV1(order_id=OTHER, **ADA)]
    await assert_conforms(
        servers, delivery.service.SERVICE, "orders", events, setup=an_address, answer=booked, in_any_order=True
    )


@pytest.mark.slow
async def test_delivery_carriers(servers: Servers) -> None:
    async def scheduled(tx: Transaction) -> None:
        await an_address(tx)
        tx.add(delivery.domain.Shipment(ORDER, SHIPMENT, "ada", NOON, NOON + timedelta(days=9000)))

    events = [ShipmentScheduledV1(order_id=ORDER, shipment_id=SHIPMENT, **ADA)]
    await assert_conforms(servers, delivery.service.SERVICE, "carriers", events, setup=scheduled, answer=booked)


async def test_notifications_mail(servers: Servers) -> None:
    async def a_contact(tx: Transaction) -> None:
        tx.add(notifications.domain.Contact("ada", "ada@example.org", order_updates=True, reminders=True))

    events = [
        confirmed(ORDER),
        ShipmentDispatchedV1(order_id=ORDER, shipment_id=SHIPMENT, carrier="a", tracking_code="T1", **ADA),
        OrderDeliveredV1(order_id=ORDER, **ADA),
    ]
    await assert_conforms(
        servers,
        notifications.service.SERVICE,
        "mail",
        events,
        setup=a_contact,
        answer=lambda _: notifications.gateways.MailAccepted(),
        in_any_order=True,
    )


@pytest.mark.slow
async def test_notifications_webhooks(servers: Servers) -> None:
    async def an_endpoint(tx: Transaction) -> None:
        url, secret = "https://ada.example/", "whsec_MDEyMzQ1Njc4OQ=="
        tx.add(hooks.Endpoint(OTHER, "ada", url, ["checkout.*"], everyones=False, created_at=NOON, secret=secret))

    def accepted(turn: Any) -> Any:
        return [hooks.Answer(message.event_id, 204) for message in turn.messages]

    events = [confirmed(ORDER), cancelled(ORDER)]
    service = notifications.service.SERVICE
    await assert_conforms(servers, service, "webhooks", events, setup=an_endpoint, answer=accepted, in_any_order=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["stock", "shipments"])
async def test_checkout_subscriptions_of_existing_orders(servers: Servers, name: str) -> None:
    """Events from a paid order to a delivered one."""

    async def a_paid_order(tx: Transaction) -> None:
        await checkout.handlers.place_order(checked_out(ORDER), tx)
        request = await checkout.handlers.prepare_charge(StockReservedV1(order_id=ORDER, expires_at=NOON), tx)
        await checkout.handlers.record_payment(StockReservedV1(order_id=ORDER, expires_at=NOON), paid(request), tx)

    who = {"order_id": ORDER, "shipment_id": SHIPMENT, **ADA}
    events: dict[str, Sequence[Event]] = {
        "stock": [catalog.service.ReservationExpiredV1(order_id=ORDER)],
        "shipments": [ShipmentDispatchedV1(carrier="a", tracking_code="T1", **who), ShipmentDeliveredV1(**who)],
    }
    await assert_conforms(servers, checkout.service.SERVICE, name, events[name], setup=a_paid_order, answer=paid)


async def test_a_handler_with_a_non_transactional_effect_fails(servers: Servers) -> None:
    """The handler counts in memory, not in rows, so rollbacks and duplicates are counted, too."""
    runs = 0

    @publishes(catalog.service.StockReleasedV1, catalog.service.ReservationExpiredV1)
    async def careless(event: OrderPlacedV1, tx: Transaction) -> None:
        nonlocal runs
        runs += 1
        tx.publish(catalog.service.StockReleasedV1(order_id=event.order_id))
        if runs > 1:
            tx.publish(catalog.service.ReservationExpiredV1(order_id=event.order_id))

    service = replace(catalog.service.SERVICE, subscriptions=[subscription("orders", on(OrderPlacedV1, careless))])
    with pytest.raises(ConformanceError, match="events twice lead to another state"):
        await assert_conforms(servers, service, "orders", [placed(ORDER)])


async def test_a_handler_whose_result_depends_on_the_order_fails(servers: Servers) -> None:
    async def last_wins(event: OrderPlacedV1 | OrderConfirmedV1, tx: Transaction) -> None:
        await tx.execute(
            "insert into reservations values ($1, $2, '{}')"
            " on conflict (order_id) do update set state = excluded.state",
            event.order_id,
            "reserved" if isinstance(event, OrderPlacedV1) else "taken",
        )

    subscriptions = [subscription("orders", on(OrderPlacedV1, last_wins), on(OrderConfirmedV1, last_wins))]
    service = replace(catalog.service.SERVICE, subscriptions=subscriptions)
    with pytest.raises(ConformanceError, match="events backwards lead to another state"):
        await assert_conforms(servers, service, "orders", [placed(ORDER), confirmed(ORDER)], in_any_order=True)


async def test_a_handler_that_always_raises_fails(servers: Servers) -> None:
    async def refuse(event: OrderPlacedV1, tx: Transaction) -> None:
        raise ValueError("never")

    service = replace(
        catalog.service.SERVICE, subscriptions=[subscription("orders", on(OrderPlacedV1, refuse, attempts=1))]
    )
    with pytest.raises(ConformanceError, match="attempts-exhausted"):
        await assert_conforms(servers, service, "orders", [placed(ORDER)])
