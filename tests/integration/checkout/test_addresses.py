"""Nobody is charged for an order without a delivery address."""

from uuid import UUID

import pytest

from checkout.domain import KnownAddress, Payment, Reason, Status
from contracts.checkout import OrderCancelledV1, OrderConfirmedV1
from contracts.delivery import AddressErasedV1, AddressRecordedV1
from marketplace_runtime.database import new_id
from tests.integration.checkout.marketplace import ADDRESS, Marketplace


@pytest.fixture
def limits() -> dict[str, str]:
    return {"PAYMENT_DEADLINE_S": "4"}


@pytest.fixture
def unknown_customer() -> str:
    """Return a customer of whom checkout has received no event."""
    return f"c-{new_id()}"


async def publish_and_wait(marketplace: Marketplace, event: AddressRecordedV1 | AddressErasedV1) -> None:
    """Publish the event and wait until checkout has stored it."""
    await marketplace.publish(event)

    async def known() -> bool:
        async with marketplace.database.transaction() as tx:
            found = await tx.peek(KnownAddress, event.customer_id)
            return found is not None and found.revision == event.revision

    await marketplace.until_true(known)


def recorded(customer: str, revision: int = 1, address_id: UUID = ADDRESS) -> AddressRecordedV1:
    return AddressRecordedV1(customer_id=customer, address_id=address_id, revision=revision)


async def test_an_order_waits_for_an_address_and_is_then_charged(
    marketplace: Marketplace, unknown_customer: str
) -> None:
    order_id = await marketplace.place(unknown_customer, address_id=None)
    order = await marketplace.until(order_id, lambda order: order.awaits_address)
    assert (order.status, order.payment) == (Status.PAYING, Payment.NONE)
    await marketplace.publish(recorded(unknown_customer))
    order = await marketplace.until_status(order_id, Status.CONFIRMED)
    assert order.address_id == ADDRESS
    [published] = await marketplace.events(order_id, OrderConfirmedV1)
    assert published.address_id == ADDRESS


async def test_an_order_without_an_address_is_cancelled_at_the_deadline_without_a_charge(
    marketplace: Marketplace, unknown_customer: str
) -> None:
    order_id = await marketplace.place(unknown_customer, address_id=None)
    order = await marketplace.until_status(order_id, Status.CANCELLED)
    assert (order.reason, order.payment) == (Reason.NO_ADDRESS, Payment.NONE)
    assert "payment-asked" not in await marketplace.history(order_id)
    assert await marketplace.held(order_id) == {"a": 0, "b": 0}
    [published] = await marketplace.events(order_id, OrderCancelledV1)
    assert (published.reason.value, published.detail) == ("shipping-failed", "no-address")


@pytest.mark.slow
async def test_an_order_waits_if_its_address_was_erased_after_the_checkout(
    marketplace: Marketplace, unknown_customer: str
) -> None:
    await publish_and_wait(marketplace, AddressErasedV1(customer_id=unknown_customer, revision=2))
    order_id = await marketplace.place(unknown_customer)
    await marketplace.until(order_id, lambda order: order.awaits_address)
    new = new_id()
    await marketplace.publish(recorded(unknown_customer, 3, new))
    assert (await marketplace.until_status(order_id, Status.CONFIRMED)).address_id == new


@pytest.mark.slow
async def test_a_later_address_does_not_move_an_order(marketplace: Marketplace, unknown_customer: str) -> None:
    await publish_and_wait(marketplace, recorded(unknown_customer, 2, new_id()))
    order_id = await marketplace.place(unknown_customer)
    assert (await marketplace.until_status(order_id, Status.CONFIRMED)).address_id == ADDRESS


@pytest.mark.slow
async def test_events_of_addresses_count_by_revision_not_by_arrival(
    marketplace: Marketplace, unknown_customer: str
) -> None:
    await publish_and_wait(marketplace, recorded(unknown_customer, 3))
    await marketplace.publish(AddressErasedV1(customer_id=unknown_customer, revision=2))
    order_id = await marketplace.place(unknown_customer, address_id=None)
    assert (await marketplace.until_status(order_id, Status.CONFIRMED)).address_id == ADDRESS
