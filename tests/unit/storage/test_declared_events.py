"""A use case publishes the events that its `@publishes` declares, and no others."""

from functools import partial
from typing import Any
from uuid import UUID

import pytest

from contracts.checkout import OrderConfirmedV1
from contracts.delivery import CancellationRefusedV1, RefusalReason, ShipmentCancelledV1
from contracts.naming import MARKETPLACE
from marketplace_runtime.consumer import on, subscription
from marketplace_runtime.database import Transaction, UndeclaredEvent, publishes
from marketplace_runtime.service import Service
from marketplace_runtime.testing import InMemoryTransaction

ORDER = UUID("00000000-0000-7000-8000-000000000001")
CANCELLED = ShipmentCancelledV1(order_id=ORDER)
REFUSED = CancellationRefusedV1(order_id=ORDER, reason=RefusalReason.ALREADY_DISPATCHED)


@publishes(ShipmentCancelledV1)
async def cancel(event: OrderConfirmedV1 | None, tx: Transaction) -> None:
    tx.publish(CANCELLED)


@publishes(CancellationRefusedV1)
async def refuse_by_cancelling(event: OrderConfirmedV1 | None, tx: Transaction) -> None:
    await cancel(None, tx)


@publishes(ShipmentCancelledV1)
async def refuse(tx: Transaction, order_id: UUID) -> None:
    tx.publish(REFUSED)


async def undeclared(event: OrderConfirmedV1 | None, tx: Transaction) -> None:
    tx.publish(CANCELLED)


async def test_a_declared_event_is_published() -> None:
    memory = InMemoryTransaction()
    await cancel(None, memory.tx)
    await cancel(event=None, tx=memory.tx)
    assert memory.published == [CANCELLED, CANCELLED]


async def test_an_undeclared_event_is_refused_with_a_remedy() -> None:
    memory = InMemoryTransaction()
    with pytest.raises(UndeclaredEvent, match=r"refuse publishes CancellationRefusedV1, .* add it to @publishes"):
        await refuse(memory.tx, ORDER)
    assert memory.published == []


async def test_a_use_case_must_also_declare_events_that_others_publish_for_it() -> None:
    with pytest.raises(UndeclaredEvent, match="refuse_by_cancelling publishes ShipmentCancelledV1"):
        await refuse_by_cancelling(None, InMemoryTransaction().tx)


async def test_a_declaration_applies_only_during_its_use_case() -> None:
    memory = InMemoryTransaction()
    with pytest.raises(UndeclaredEvent, match="CancellationRefusedV1"):
        await refuse(memory.tx, ORDER)
    memory.publish(REFUSED)
    assert memory.published == [REFUSED]


async def test_a_handler_without_a_declaration_may_not_publish() -> None:
    handle = on(OrderConfirmedV1, undeclared).handle
    assert handle is not None
    with pytest.raises(UndeclaredEvent, match="undeclared publishes ShipmentCancelledV1"):
        await handle(None, InMemoryTransaction().tx)


class Canceller:
    @publishes(ShipmentCancelledV1)
    async def __call__(self, event: OrderConfirmedV1 | None, tx: Transaction) -> None:
        tx.publish(CANCELLED)

    @publishes(ShipmentCancelledV1)
    async def cancel(self, event: OrderConfirmedV1 | None, tx: Transaction) -> None:
        tx.publish(CANCELLED)


@publishes(ShipmentCancelledV1)
async def cancel_because(event: OrderConfirmedV1 | None, tx: Transaction, *, reason: str) -> None:
    tx.publish(CANCELLED)


@pytest.mark.parametrize("handle", [Canceller(), Canceller().cancel, partial(cancel_because, reason="odd")])
async def test_any_callable_keeps_its_declaration(handle: Any) -> None:
    memory = InMemoryTransaction()
    found = on(OrderConfirmedV1, handle).handle
    assert found is not None
    await found(None, memory.tx)
    assert memory.published == [CANCELLED]


async def test_the_transaction_may_have_another_name_if_it_comes_last() -> None:
    async def handle(_: OrderConfirmedV1 | None, transaction: Transaction) -> None:
        transaction.publish(CANCELLED)

    memory = InMemoryTransaction()
    await publishes(ShipmentCancelledV1)(handle)(None, memory.tx)
    assert memory.published == [CANCELLED]


def test_a_use_case_without_a_transaction_is_refused() -> None:
    async def handle(event: OrderConfirmedV1, transaction: Transaction, limit: int = 1) -> None: ...

    with pytest.raises(TypeError, match="needs a transaction: name a parameter `tx`"):
        on(OrderConfirmedV1, handle)


def test_a_service_names_every_event_that_its_handlers_declare(tmp_path) -> None:
    subscriptions = [subscription("orders", on(OrderConfirmedV1, cancel))]
    with pytest.raises(
        TypeError, match=r"cancel publishes delivery\.shipment-cancelled\.v1, not in its `publishes`: add it"
    ):
        Service(name="delivery", naming=MARKETPLACE, subscriptions=subscriptions, publishes=[], migrations=tmp_path)
    Service(
        name="delivery",
        naming=MARKETPLACE,
        subscriptions=subscriptions,
        publishes=[ShipmentCancelledV1],
        migrations=tmp_path,
    )
