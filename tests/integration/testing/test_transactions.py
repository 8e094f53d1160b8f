"""One suite for the transaction in memory and the one in a database: both behave alike."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from uuid import UUID

import pytest

import catalog.service
from catalog.domain import Reservation, State
from contracts import Event
from contracts.catalog import ReservationDueV1, ReservationExpiredV1
from contracts.checkout import OrderDeliveredV1
from contracts.delivery import ShipmentDispatchedV1, ShipmentDispatchedV2, Tracking
from marketplace_runtime.database import Transaction
from marketplace_runtime.testing import InMemoryTransaction, Servers, service_harness

ONE, TWO = UUID("01930000-0000-7000-8000-000000000001"), UUID("01930000-0000-7000-8000-000000000002")
SERVICE = catalog.service.SERVICE
Open = Callable[[], AbstractAsyncContextManager[Transaction]]


@pytest.fixture(params=["memory", "database"])
async def open_transaction(request: pytest.FixtureRequest, servers: Servers) -> AsyncIterator[Open]:
    """Return a function that opens transactions; each finds what the earlier ones committed."""
    if request.param == "memory":
        memory = InMemoryTransaction(source=SERVICE.name, internal_subscriptions=SERVICE.internal_subscriptions)

        @asynccontextmanager
        async def in_memory() -> AsyncIterator[Transaction]:
            yield memory.tx

        yield in_memory
        return
    async with service_harness(servers, SERVICE) as harness:
        yield harness.transaction


def due(order_id: UUID) -> Event:
    return ReservationDueV1(order_id=order_id)


async def test_an_added_row_is_found_by_its_key(open_transaction: Open) -> None:
    async with open_transaction() as tx:
        assert await tx.get(Reservation, ONE) is None
    async with open_transaction() as tx:
        added = Reservation(ONE, State.RESERVED, {TWO: 3})
        tx.add(added)
        assert await tx.get(Reservation, ONE) is added
    async with open_transaction() as tx:
        assert await tx.get(Reservation, ONE) == added
        assert await tx.peek(Reservation, ONE) == added
        assert await tx.get(Reservation, TWO) is None


async def test_a_change_of_a_row_is_kept(open_transaction: Open) -> None:
    async with open_transaction() as tx:
        tx.add(Reservation(ONE, State.RESERVED, {}))
    async with open_transaction() as tx:
        reservation = await tx.get(Reservation, ONE)
        assert reservation is not None
        reservation.state = State.TAKEN
    async with open_transaction() as tx:
        reservation = await tx.peek(Reservation, ONE)
        assert reservation is not None
        assert reservation.state == State.TAKEN


async def test_preloaded_rows_and_missing_rows_can_both_be_looked_up(open_transaction: Open) -> None:
    async with open_transaction() as tx:
        tx.add(Reservation(ONE, State.RESERVED, {}))
    async with open_transaction() as tx:
        await tx.preload(Reservation, [ONE, TWO])
        assert await tx.get(Reservation, ONE) is not None
        assert await tx.get(Reservation, TWO) is None


async def test_two_rows_with_one_key_are_refused(open_transaction: Open) -> None:
    async def add_twice() -> None:
        async with open_transaction() as tx:
            tx.add(Reservation(ONE, State.RESERVED, {}))
            await tx.flush()
            tx.add(Reservation(ONE, State.TAKEN, {}))
            await tx.flush()

    with pytest.raises(Exception, match=r"inserted twice|duplicate key|conflicts with"):
        await add_twice()


async def test_only_own_events_can_be_published(open_transaction: Open) -> None:
    async with open_transaction() as tx:
        assert tx.publish(ReservationExpiredV1(order_id=ONE)) < tx.publish(ReservationExpiredV1(order_id=TWO))
        with pytest.raises(ValueError, match="catalog cannot publish"):
            tx.publish(OrderDeliveredV1(order_id=ONE, customer_id="ada"))
        with pytest.raises(ValueError, match="catalog cannot publish"):
            tx.publish(due(ONE))


async def test_versions_are_published_newest_first(open_transaction: Open) -> None:
    about = {"order_id": ONE, "shipment_id": TWO, "customer_id": "ada"}
    older = ShipmentDispatchedV1(**about, carrier="a", tracking_code="1")
    newer = ShipmentDispatchedV2(**about, tracking=Tracking(carrier="a", code="1"))
    async with open_transaction() as tx:
        tx.source = "delivery"
        with pytest.raises(ValueError, match="newest version first"):
            tx.publish(older, newer)
        tx.publish(newer, older)


async def test_an_event_without_a_subscription_cannot_be_scheduled(open_transaction: Open) -> None:
    async with open_transaction() as tx:
        with pytest.raises(ValueError, match="handles"):
            tx.schedule(ReservationExpiredV1(order_id=ONE), after=timedelta(0))


async def test_a_scheduled_event_is_delivered(open_transaction: Open) -> None:
    async with open_transaction() as tx:
        assert not await tx.is_scheduled(due(ONE))
        tx.schedule(due(ONE), after=timedelta(minutes=1))
        assert await tx.is_scheduled(due(ONE))
        assert not await tx.is_scheduled(due(TWO))
    async with open_transaction() as tx:
        assert await tx.is_scheduled(due(ONE))
