"""Charges, voids and refunds: external calls to payment providers."""

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

LOOK_AGAIN, LOOK_AGAIN_AT_MOST = timedelta(seconds=0.25), timedelta(seconds=4)
"""How soon an order looks again for its customer's address: after as much time as it has waited, within these."""


@publishes()
async def prepare_charge(event: StockReservedV1 | ChargeDueV1, tx: Transaction) -> Charge | Void | None:
    """Write down which provider is about to be asked, and for what: nobody, before there is an address."""
    order = await order_of(tx, event.order_id)
    changes = _reserve(order, event, tx) if isinstance(event, StockReservedV1) else []
    known = await tx.peek(KnownAddress, order.customer_id)
    changes += placing.find_address(order, known.address_id if known else order.address_id, tx.now)
    provider, asked = paying.ask_provider(order, tx.now)
    if order.awaits_address:
        patience = min(max(tx.now - order.updated_at, LOOK_AGAIN), LOOK_AGAIN_AT_MOST)
        tx.schedule(ChargeDueV1(order_id=order.order_id), after=patience)
    publish_order_changes(tx, order, changes + asked)
    if provider is None:
        return _void(order)
    total = order.total
    return Charge(order.order_id, provider, total.amount, total.currency, order.asks, asked_before=order.doubtful)


@publishes()
async def prepare_void(event: VoidDueV1, tx: Transaction) -> Void | None:
    """Find the key that may hold the money of an order that was given up."""
    return _void(await order_of(tx, event.order_id))


@publishes(PaymentCapturedV1, OrderConfirmedV1, PaymentDeclinedV1, OrderCancelledV1)
async def record_payment(event: StockReservedV1 | ChargeDueV1 | VoidDueV1, answer: Answer, tx: Transaction) -> None:
    """Take in what a provider answered, if the order still waits for it."""
    order = await order_of(tx, event.order_id)
    match answer:
        case Captured(provider):
            changes = paying.captured(order, provider, tx.now)
        case Declined(provider):
            changes = paying.declined(order, provider, tx.now)
        case NotCharged(provider, ask):
            changes = paying.not_charged(order, provider, ask, tx.now)
        case Closed(provider, refunded):
            changes = paying.voided(order, provider, refunded=refunded, at=tx.now)
    publish_order_changes(tx, order, changes)


@publishes(OrderCancelledV1)
async def stop_waiting_for_payment(event: PaymentDueV1, tx: Transaction) -> None:
    """Void and cancel what is not paid by now."""
    order = await order_of(tx, event.order_id)
    publish_order_changes(tx, order, paying.overdue(order, tx.now))


@publishes()
async def prepare_refund(event: RefundDueV1, tx: Transaction) -> Refund | None:
    """Find who holds the money of a cancelled order."""
    order = await order_of(tx, event.order_id)
    if not paying.owes_refund(order) or order.provider is None:
        return None
    return Refund(order.order_id, order.provider)


@publishes(PaymentRefundedV1)
async def record_refund(event: RefundDueV1, answer: Refunded, tx: Transaction) -> None:
    """Note that the money went back."""
    order = await order_of(tx, event.order_id)
    publish_order_changes(tx, order, paying.refunded(order, tx.now))


def _reserve(order: Order, event: StockReservedV1, tx: Transaction) -> list[Entry]:
    lowered = {less.product_id: Money(*less.price.parts) for less in event.lowered or ()}
    try:
        return placing.reserve(order, tx.now, lowered)
    except Inconsistent as error:
        raise Reject(str(error)) from error


def _void(order: Order) -> Void | None:
    provider = paying.key_to_close(order)
    return Void(order.order_id, provider) if provider else None
