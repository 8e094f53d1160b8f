"""Nobody is charged for what cannot be brought anywhere."""

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
def homeless() -> str:
    """A customer whom nothing was said about."""
    return f"c-{new_id()}"


async def know(marketplace: Marketplace, event: AddressRecordedV1 | AddressErasedV1) -> None:
    """Say it, and wait until checkout knows."""
    await marketplace.say(event)

    async def known() -> bool:
        async with marketplace.database.transaction() as tx:
            found = await tx.peek(KnownAddress, event.customer_id)
            return found is not None and found.revision == event.revision

    await marketplace.until_true(known)


def recorded(customer: str, revision: int = 1, address_id: UUID = ADDRESS) -> AddressRecordedV1:
    return AddressRecordedV1(customer_id=customer, address_id=address_id, revision=revision)


async def test_an_order_waits_for_its_address_and_is_charged_once_there_is_one(
    marketplace: Marketplace, homeless: str
) -> None:
    order_id = await marketplace.place(homeless, address_id=None)
    order = await marketplace.until(order_id, lambda order: order.awaits_address)
    assert (order.status, order.payment) == (Status.PAYING, Payment.NONE)
    await marketplace.say(recorded(homeless))
    order = await marketplace.until_status(order_id, Status.CONFIRMED)
    assert order.address_id == ADDRESS
    [said] = await marketplace.events(order_id, OrderConfirmedV1)
    assert said.address_id == ADDRESS


async def test_without_an_address_it_is_cancelled_at_the_deadline_and_no_provider_was_asked(
    marketplace: Marketplace, homeless: str
) -> None:
    order_id = await marketplace.place(homeless, address_id=None)
    order = await marketplace.until_status(order_id, Status.CANCELLED)
    assert (order.reason, order.payment) == (Reason.NO_ADDRESS, Payment.NONE)
    assert "payment-asked" not in await marketplace.history(order_id)
    assert await marketplace.held(order_id) == {"a": 0, "b": 0}
    [said] = await marketplace.events(order_id, OrderCancelledV1)
    assert (said.reason.value, said.detail) == ("shipping-failed", "no-address")


@pytest.mark.slow
async def test_what_was_erased_since_the_checkout_is_waited_for(marketplace: Marketplace, homeless: str) -> None:
    await know(marketplace, AddressErasedV1(customer_id=homeless, revision=2))
    order_id = await marketplace.place(homeless)
    await marketplace.until(order_id, lambda order: order.awaits_address)
    new = new_id()
    await marketplace.say(recorded(homeless, 3, new))
    assert (await marketplace.until_status(order_id, Status.CONFIRMED)).address_id == new


@pytest.mark.slow
async def test_a_later_address_does_not_move_an_order(marketplace: Marketplace, homeless: str) -> None:
    await know(marketplace, recorded(homeless, 2, new_id()))
    order_id = await marketplace.place(homeless)
    assert (await marketplace.until_status(order_id, Status.CONFIRMED)).address_id == ADDRESS


@pytest.mark.slow
async def test_what_is_said_of_an_address_counts_in_its_own_order(marketplace: Marketplace, homeless: str) -> None:
    await know(marketplace, recorded(homeless, 3))
    await marketplace.say(AddressErasedV1(customer_id=homeless, revision=2))
    order_id = await marketplace.place(homeless, address_id=None)
    assert (await marketplace.until_status(order_id, Status.CONFIRMED)).address_id == ADDRESS
