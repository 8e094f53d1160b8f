"""Translates entries of an order's journal into events. No other module of this service publishes."""

from collections.abc import Sequence
from datetime import timedelta

import contracts
from checkout import store
from checkout.domain import Entry, EntryType, Order, Reason, Status, paying
from checkout.settings import deadlines
from contracts import cart
from contracts.checkout import (
    CancellationReason,
    CancellationRequestedV1,
    ChargeDueV1,
    OrderCancelledV1,
    OrderConfirmedV1,
    OrderDeliveredV1,
    OrderPlacedV1,
    PaymentCapturedV1,
    PaymentDeclinedV1,
    PaymentDueV1,
    PaymentRefundedV1,
    RefundDueV1,
    ShippingOverdueV1,
    StockAnswerDueV1,
    VoidDueV1,
)
from marketplace_runtime.database import Transaction
from marketplace_runtime.resilience import full_jitter

NO_DELAY = timedelta(0)


def publish_order_changes(tx: Transaction, order: Order, changes: Sequence[Entry]) -> None:  # noqa: PLR0912 - one arm per entry
    """Append the entries to the journal. Publish the event of each, and schedule its next step, if it has one.

    A use case passes all its entries in one call: the next steps depend on the state of the order after all of them.
    """
    store.save(tx, order, changes)
    order_id, customer = order.order_id, order.customer_id
    for entry in changes:
        match entry.type:
            case EntryType.PLACED:
                lines, total = _lines(order), contracts.Money.of(order.total)
                tx.publish(OrderPlacedV1(order_id=order_id, customer_id=customer, lines=lines, total=total))
                tx.schedule(StockAnswerDueV1(order_id=order_id), after=deadlines().stock_answer)
            case EntryType.STOCK_RESERVED:
                tx.schedule(PaymentDueV1(order_id=order_id), after=deadlines().payment)
            case EntryType.PAYMENT_NOT_CHARGED | EntryType.PAYMENT_CLOSED if order.status is Status.PAYING:
                tx.schedule(ChargeDueV1(order_id=order_id), after=_pause(order))
            case EntryType.PAYMENT_DOUBTED:
                tx.schedule(ChargeDueV1(order_id=order_id), after=NO_DELAY)
            case EntryType.PAYMENT_DECLINED:
                provider = entry.data["provider"]
                tx.publish(PaymentDeclinedV1(order_id=order_id, customer_id=customer, provider=provider))
            case EntryType.PAYMENT_CAPTURED:
                provider, amount = entry.data["provider"], contracts.Money.of(order.total)
                tx.publish(PaymentCapturedV1(order_id=order_id, customer_id=customer, provider=provider, amount=amount))
            case EntryType.CONFIRMED:
                lines, total = _lines(order), contracts.Money.of(order.total)
                to = order.address_id
                tx.publish(
                    OrderConfirmedV1(order_id=order_id, customer_id=customer, lines=lines, total=total, address_id=to)
                )
                tx.schedule(ShippingOverdueV1(order_id=order_id), after=deadlines().shipping)
            case EntryType.GIVEN_UP:
                tx.schedule(VoidDueV1(order_id=order_id), after=NO_DELAY)
            case EntryType.CANCELLATION_REQUESTED:
                tx.publish(CancellationRequestedV1(order_id=order_id, customer_id=customer))
            case EntryType.CANCELLED:
                reason, detail = published_reason(Reason(entry.data["reason"]))
                tx.publish(OrderCancelledV1(order_id=order_id, customer_id=customer, reason=reason, detail=detail))
                if paying.needs_refund(order):
                    tx.schedule(RefundDueV1(order_id=order_id), after=NO_DELAY)
            case EntryType.REFUNDED:
                provider, amount = entry.data["provider"], contracts.Money.of(order.total)
                tx.publish(PaymentRefundedV1(order_id=order_id, customer_id=customer, provider=provider, amount=amount))
            case EntryType.DELIVERED:
                tx.publish(OrderDeliveredV1(order_id=order_id, customer_id=customer))


def published_reason(reason: Reason) -> tuple[CancellationReason, str | None]:
    """Return the reason that the event states for `reason`, and a detail.

    The detail is None unless the event's reason is less specific than `reason`.
    """
    if reason is Reason.NO_ADDRESS:
        return CancellationReason.SHIPPING_FAILED, "no-address"
    return CancellationReason(reason.value), None


def _pause(order: Order) -> timedelta:
    """Return the delay of the next charge: zero for a provider not asked in this round, else growing per round."""
    if not paying.every_provider_refused(order):
        return NO_DELAY
    return timedelta(seconds=1 + full_jitter(order.refusals, 0.5, 10))


def _lines(order: Order) -> list[cart.Line]:
    return [
        cart.Line(product_id=line.product_id, quantity=line.quantity, unit_price=contracts.Money.of(line.unit_price))
        for line in order.lines
    ]
