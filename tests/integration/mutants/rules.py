"""Mutants of the services' rules, and the errors that the state machine tests must raise."""

from collections.abc import Sequence
from datetime import datetime

from hypothesis.stateful import RuleBasedStateMachine

from catalog import handlers as catalog
from catalog.domain import OrderLine, Rejection, Reservation, State, Stock, StockChanges
from checkout.domain import Entry, EntryType, Order, Payment, Reason, Status, paying
from contracts.checkout import OrderCancelledV1
from delivery.domain import Aim, Shipment, ShipmentChange
from marketplace_runtime.database import Transaction
from tests.integration.mutants.mutant import Mutant, Patch
from tests.unit.catalog.machine import Orders
from tests.unit.checkout.machine import Marketplace
from tests.unit.delivery.machine import Deliveries


def no_refund(patch: Patch) -> None:
    """A confirmed order that is cancelled keeps the money."""
    patch(paying, "needs_refund", lambda order: False)


def no_void(patch: Patch) -> None:
    """An order is cancelled without a void although a provider may have charged."""

    def cancel_at_once(order: Order, reason: Reason, at: datetime) -> list[Entry]:
        if order.status not in (Status.PLACED, Status.PAYING):
            return []
        return order.record(EntryType.CANCELLED, at, reason=reason)

    patch(paying, "give_up", cancel_at_once)


def next_provider_too_early(patch: Patch) -> None:
    """The second provider is called although an earlier request may still reach the first."""

    def believe(order: Order, provider: str, ask: int, at: datetime) -> list[Entry]:
        if order.status is Status.PAYING and order.provider == provider and order.payment is Payment.ASKED:
            return order.record(EntryType.PAYMENT_NOT_CHARGED, at, provider=provider)
        return []

    patch(paying, "record_not_charged", believe)


def stock_not_released(patch: Patch) -> None:
    """A cancelled order keeps its reserved stock."""

    def keep(reservation: Reservation, stock: Stock) -> StockChanges:
        reservation.state = State.RELEASED
        return []

    patch(Reservation, "release", keep)


def stock_without_its_guard(patch: Patch) -> None:
    """Stock is reserved without checking that there are enough units."""

    def none(order: Sequence[OrderLine], stock: Stock) -> list[Rejection]:
        return []

    patch(catalog, "find_rejections", none)


def cancellation_before_its_order_forgotten(patch: Patch) -> None:
    """A cancellation that arrives before its order leaves no tombstone."""
    release_stock = catalog.release_stock

    async def release_what_is_known(event: OrderCancelledV1, tx: Transaction) -> None:
        if await tx.get(Reservation, event.order_id) is not None:
            await release_stock(event, tx)

    patch(catalog, "release_stock", release_what_is_known)


def next_carrier_too_early(patch: Patch) -> None:
    """The second carrier is called although an earlier request may still reach the first."""
    record_not_booked = Shipment.record_not_booked

    def believe(shipment: Shipment, carrier: str) -> list[ShipmentChange]:
        shipment.doubtful = False
        return record_not_booked(shipment, carrier)

    patch(Shipment, "record_not_booked", believe)


def parcel_not_stopped(patch: Patch) -> None:
    """A shipment counts as cancelled although its carrier received no cancellation."""

    def settle(shipment: Shipment, aim: Aim) -> list[ShipmentChange]:
        shipment.aim = aim
        return shipment._apply_aim()

    patch(Shipment, "_stop", settle)


MONEY = r"in at_most_one_charge_is_held|assert self\.world\.held == \(1 if"
STOCK = r"assert product\.reserved == (held|0)"
OVERSOLD = r"in no_product_is_oversold|(StockRunningLowV1|ProductRestockedV1)\navailable"
PARCELS = "in at_most_one_carrier_holds_the_parcel|in a_cancelled_or_failed_shipment_never_leaves|WrongCarrier"

RULES = {
    MONEY: "checkout's state machine: providers hold exactly what the order owes",
    STOCK: "the catalog's state machine: exactly the units of open orders are reserved",
    OVERSOLD: "the catalog's state machine: no product is oversold",
    PARCELS: "delivery's state machine: at most one carrier holds a parcel, and none holds a cancelled one",
}
"""The rule that each error violates, in words for docs/audit.md."""

MUTANTS: list[tuple[Mutant, type[RuleBasedStateMachine], str]] = [
    (no_refund, Marketplace, MONEY),
    (no_void, Marketplace, MONEY),
    (next_provider_too_early, Marketplace, MONEY),
    (stock_not_released, Orders, STOCK),
    (stock_without_its_guard, Orders, OVERSOLD),
    (cancellation_before_its_order_forgotten, Orders, STOCK),
    (next_carrier_too_early, Deliveries, PARCELS),
    (parcel_not_stopped, Deliveries, PARCELS),
]
"""Each mutant with the state machine that finds it, and its error: any violation of the rule that may come first."""
