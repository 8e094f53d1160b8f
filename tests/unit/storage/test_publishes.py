"""A use case publishes what is declared above it, and nothing else."""

from uuid import UUID

import pytest

from contracts.checkout import OrderConfirmedV1
from contracts.delivery import CancellationRefusedV1, RefusalReason, ShipmentCancelledV1
from contracts.naming import MARKETPLACE
from marketplace_runtime.consumer import on, subscription
from marketplace_runtime.database import Transaction, publishes
from marketplace_runtime.service import Service
from marketplace_runtime.testing import Memory

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


async def test_what_is_declared_is_published() -> None:
    memory = Memory()
    await cancel(None, memory.tx)
    await cancel(event=None, tx=memory.tx)
    assert memory.said == [CANCELLED, CANCELLED]


async def test_another_event_is_refused_and_the_error_says_what_to_do() -> None:
    memory = Memory()
    with pytest.raises(ValueError, match=r"refuse does not .* CancellationRefusedV1: add it to @publishes"):
        await refuse(memory.tx, ORDER)
    assert memory.said == []


async def test_a_use_case_declares_also_what_it_publishes_through_others() -> None:
    with pytest.raises(ValueError, match="ShipmentCancelledV1"):
        await refuse_by_cancelling(None, Memory().tx)


async def test_a_declaration_ends_with_its_use_case() -> None:
    memory = Memory()
    with pytest.raises(ValueError, match="CancellationRefusedV1"):
        await refuse(memory.tx, ORDER)
    memory.publish(REFUSED)
    assert memory.said == [REFUSED]


async def test_a_handler_that_declares_nothing_publishes_nothing() -> None:
    handle = on(OrderConfirmedV1, undeclared).handle
    assert handle is not None
    with pytest.raises(ValueError, match="undeclared does not declare that it publishes ShipmentCancelledV1"):
        await handle(None, Memory().tx)


def test_a_service_names_every_event_that_its_handlers_declare(tmp_path) -> None:
    hears = [subscription("orders", on(OrderConfirmedV1, cancel))]
    with pytest.raises(TypeError, match=r"cancel publishes delivery\.shipment-cancelled\.v1, not among"):
        Service(name="delivery", naming=MARKETPLACE, hears=hears, says=[], migrations=tmp_path)
    Service(name="delivery", naming=MARKETPLACE, hears=hears, says=[ShipmentCancelledV1], migrations=tmp_path)
