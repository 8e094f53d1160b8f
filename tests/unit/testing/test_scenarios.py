"""Scenarios of a service in memory: given rows, when an event arrives, then rows, events and calls."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

import notifications.service
from contracts import Event, Money
from contracts.cart import Line
from contracts.catalog import StockReservedV1
from contracts.checkout import CancellationRequestedV1, OrderConfirmedV1, OrderPlacedV1
from contracts.delivery import (
    BookingDueV1,
    ShipmentCancelledV1,
    ShipmentDispatchedV1,
    ShipmentScheduledV1,
    ShippingDueV1,
    UnbookingDueV1,
)
from contracts.upcasts import shipment_dispatched_v2
from delivery.domain import Address, PastAddress, PostalAddress, Shipment, Status
from delivery.gateways import Book, Booked
from delivery.service import SERVICE
from marketplace_runtime.testing import InMemoryTransaction, given
from notifications.domain import Contact

ORDER, OTHER, THIRD = (UUID(f"01930000-0000-7000-8000-00000000000{number}") for number in (1, 2, 3))
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PRICE = Money(amount=700, currency="EUR")
LINES = [Line(product_id=ORDER, quantity=1, unit_price=PRICE)]
CONFIRMED = OrderConfirmedV1(order_id=ORDER, customer_id="ada", lines=LINES, total=PRICE)
DISPATCHED = ShipmentDispatchedV1(order_id=ORDER, shipment_id=ORDER, customer_id="ada", carrier="a", tracking_code="A1")
HOME = Address("ada", PostalAddress("Ada", "1 Main St", "Berlin", "10115", "DE"))


async def test_an_event_leads_to_rows_events_and_deadlines() -> None:
    scenario = given(SERVICE, HOME)
    then = await scenario.when(CONFIRMED)
    shipment = scenario.row(Shipment, ORDER)
    assert then.published == [
        ShipmentScheduledV1(order_id=ORDER, shipment_id=shipment.shipment_id, customer_id="ada"),
    ]
    [(deadline, after)] = then.scheduled
    assert deadline == ShippingDueV1(order_id=ORDER)
    assert after > timedelta(0)
    assert scenario.rows(Shipment) == [shipment]


async def test_rows_are_kept_from_one_event_to_the_next() -> None:
    scenario = given(SERVICE)
    await scenario.when(CONFIRMED)
    then = await scenario.when(CancellationRequestedV1(order_id=ORDER, customer_id="ada"))
    assert then.published == [ShipmentCancelledV1(order_id=ORDER)]
    assert (await scenario.when(CONFIRMED)).published == []


async def test_an_external_call_is_made_and_its_answer_recorded() -> None:
    scenario = given(SERVICE, HOME)
    [scheduled] = (await scenario.when(CONFIRMED)).published
    then = await scenario.when(scheduled, answer=Booked("a", "T1"))
    assert isinstance(then.request, Book)
    assert then.request.place == HOME.place
    assert scenario.row(Shipment, ORDER).status is Status.BOOKED
    assert (await scenario.when(scheduled)).request is None


async def test_a_parcel_goes_to_the_address_as_of_checkout() -> None:
    before, now = UUID(int=1), UUID(int=2)
    old = PostalAddress("Ada", "2 Side St", "Potsdam", "14467", "DE")
    moved = PastAddress(before, "ada", old, datetime(2026, 1, 1, tzinfo=UTC))
    scenario = given(SERVICE, Address("ada", HOME.place, now, 2), moved)
    for order_id, to, place in ((ORDER, before, old), (OTHER, now, HOME.place), (THIRD, UUID(int=3), HOME.place)):
        confirmed = CONFIRMED.model_copy(update={"order_id": order_id, "address_id": to})
        [scheduled] = (await scenario.when(confirmed)).published
        assert (await scenario.when(scheduled, answer=Booked("a", "T1"))).request.place == place


async def test_a_booking_with_an_erased_address_is_cancelled_before_another_is_made() -> None:
    shipment = Shipment(ORDER, OTHER, "ada", NOON, NOON + timedelta(days=1), address_id=UUID(int=1))
    shipment.choose_carrier(NOON)
    scenario = given(SERVICE, shipment, Address("ada", HOME.place, UUID(int=2), 2))
    then = await scenario.when(BookingDueV1(order_id=ORDER), subscription="carriers")
    assert (then.request, [event for event, _ in then.scheduled]) == (None, [UnbookingDueV1(order_id=ORDER)])


@pytest.mark.parametrize("event", [DISPATCHED, shipment_dispatched_v2(DISPATCHED)], ids=["v1", "v2"])
async def test_an_event_of_any_version_reaches_the_handler_in_the_handler_s_version(event: Event) -> None:
    scenario = given(notifications.service.SERVICE, Contact("ada", "ada@example.org"))
    then = await scenario.when(event, subscription="mail")
    assert then.request.text == f"Order {ORDER} is on its way: carrier a, tracking code A1.\n"


async def test_an_event_without_a_subscription_is_an_error() -> None:
    with pytest.raises(KeyError, match=r"handles checkout.order-placed.v1 in 0 subscriptions"):
        await given(SERVICE).when(OrderPlacedV1(order_id=ORDER, customer_id="ada", lines=LINES, total=PRICE))


def test_memory_refuses_the_same_as_a_real_transaction() -> None:
    memory = InMemoryTransaction(HOME, source="delivery", internal_subscriptions=SERVICE.internal_subscriptions)
    with pytest.raises(ValueError, match="inserted twice"):
        memory.add(HOME)
    with pytest.raises(ValueError, match="delivery cannot publish"):
        memory.publish(CONFIRMED)
    with pytest.raises(ValueError, match="no subscription of delivery handles"):
        memory.schedule(StockReservedV1.model_construct(), after=timedelta(0))
