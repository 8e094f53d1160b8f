"""Prepares charges, voids and refunds at payment providers, and records the answers."""

from datetime import timedelta

from checkout.domain import Entry, Inconsistent, KnownAddress, Money, Order, paying, placing
from checkout.gateways import Answer, Captured, Charge, Closed, Declined, NotCharged, Refund, Refunded, Void
from checkout.handlers.loading import order_of
from checkout.publishing import publish_order_changes
from contracts.catalog import StockReservedV1
from contracts.checkout import (
    ChargeDueV1,
    OrderCancelledV1,
    OrderConfirmedV1,
    PaymentCapturedV1,
    PaymentDeclinedV1,
    PaymentDueV1,
    PaymentRefundedV1,
    RefundDueV1,
    VoidDueV1,
)
from marketplace_runtime.consumer import Reject
from marketplace_runtime.database import Transaction, publishes

MIN_ADDRESS_CHECK_INTERVAL, MAX_ADDRESS_CHECK_INTERVAL = timedelta(seconds=0.25), timedelta(seconds=4)
"""Bounds of the interval at which a waiting order checks for an address.

Between them, the interval is as long as the order has waited.
"""


@publishes()
async def prepare_charge(event: StockReservedV1 | ChargeDueV1, tx: Transaction) -> Charge | Void | None:
    """Record the provider that is about to be asked, and return the request to it.

    For StockReserved, records the reservation first. Returns a void if a provider's key must be closed first.
    Returns None if there is nothing to request. Without an address, the order checks for one again later.
    """
    order = await order_of(tx, event.order_id)
    changes = _reserve(order, event, tx) if isinstance(event, StockReservedV1) else []
    address = await tx.peek(KnownAddress, order.customer_id)
    # before any address event was received, the address of the checkout is assumed to be current
    changes += placing.set_address(order, address.address_id if address else order.address_id, tx.now)
    provider, request_entries = paying.choose_provider(order, tx.now)
    if order.awaits_address:
        interval = min(max(tx.now - order.updated_at, MIN_ADDRESS_CHECK_INTERVAL), MAX_ADDRESS_CHECK_INTERVAL)
        tx.schedule(ChargeDueV1(order_id=order.order_id), after=interval)
    publish_order_changes(tx, order, changes + request_entries)
    if provider is None:
        return _void(order)
    total = order.total
    return Charge(order.order_id, provider, total.amount, total.currency, order.asks, asked_before=order.doubtful)


@publishes()
async def prepare_void(event: VoidDueV1, tx: Transaction) -> Void | None:
    """Return the void for an order that was given up while a provider may hold its money. None if none is needed."""
    return _void(await order_of(tx, event.order_id))


@publishes(PaymentCapturedV1, OrderConfirmedV1, PaymentDeclinedV1, OrderCancelledV1)
async def record_payment(event: StockReservedV1 | ChargeDueV1 | VoidDueV1, answer: Answer, tx: Transaction) -> None:
    """Record the answer of a provider, if the order still waits for it."""
    order = await order_of(tx, event.order_id)
    match answer:
        case Captured(provider):
            changes = paying.record_capture(order, provider, tx.now)
        case Declined(provider):
            changes = paying.record_decline(order, provider, tx.now)
        case NotCharged(provider, request_number):
            changes = paying.record_not_charged(order, provider, request_number, tx.now)
        case Closed(provider, refunded):
            changes = paying.record_void(order, provider, refunded=refunded, at=tx.now)
    publish_order_changes(tx, order, changes)


@publishes(OrderCancelledV1)
async def stop_waiting_for_payment(event: PaymentDueV1, tx: Transaction) -> None:
    """Give up an order that is unpaid at its payment deadline. Voids the charge first if a provider may hold it."""
    order = await order_of(tx, event.order_id)
    publish_order_changes(tx, order, paying.give_up_unpaid(order, tx.now))


@publishes()
async def prepare_refund(event: RefundDueV1, tx: Transaction) -> Refund | None:
    """Return the refund of a cancelled order. None if no provider holds its money."""
    order = await order_of(tx, event.order_id)
    if not paying.needs_refund(order) or order.provider is None:
        return None
    return Refund(order.order_id, order.provider)


@publishes(PaymentRefundedV1)
async def record_refund(event: RefundDueV1, answer: Refunded, tx: Transaction) -> None:
    """Record that the money was given back."""
    order = await order_of(tx, event.order_id)
    publish_order_changes(tx, order, paying.record_refund(order, tx.now))


def _reserve(order: Order, event: StockReservedV1, tx: Transaction) -> list[Entry]:
    lowered = {lowered_price.product_id: Money(*lowered_price.price.parts) for lowered_price in event.lowered or ()}
    try:
        return placing.reserve(order, tx.now, lowered)
    except Inconsistent as error:
        raise Reject(str(error)) from error


def _void(order: Order) -> Void | None:
    provider = paying.key_to_close(order)
    return Void(order.order_id, provider) if provider else None
