"""What checkout does: load, decide, publish what changed."""

from datetime import timedelta
from uuid import UUID

from checkout.domain import (
    Entry,
    Inconsistent,
    KnownAddress,
    Line,
    Money,
    Order,
    Reason,
    RejectedLine,
    paying,
    placing,
    shipping,
)
from checkout.gateways import Answer, Captured, Charge, Closed, Declined, NotCharged, Refund, Refunded, Void
from checkout.publishing import AT_ONCE, publish_order_changes
from contracts.cart import CartCheckedOutV1
from contracts.catalog import ReservationExpiredV1, StockRejectedV1, StockReservedV1
from contracts.checkout import (
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
    ReservationOverV1,
    ShippingOverdueV1,
    StockAnswerDueV1,
    VoidDueV1,
)
from contracts.delivery import (
    AddressErasedV1,
    AddressRecordedV1,
    CancellationRefusedV1,
    ShipmentCancelledV1,
    ShipmentDeliveredV1,
    ShipmentDispatchedV1,
    ShipmentFailedV1,
    ShipmentFailureReason,
)
from marketplace_runtime.consumer import Reject, RetryLater
from marketplace_runtime.database import Transaction, publishes

UNHEARD_OF, MISSING_FOR = timedelta(seconds=1), timedelta(days=1)
"""How soon an event looks again for the order that it is about, and when it gives up."""
LOOK_AGAIN, LOOK_AGAIN_AT_MOST = timedelta(seconds=0.25), timedelta(seconds=4)
"""How soon an order looks again for its customer's address: after as much time as it has waited, within these."""


# -- from the cart to the stock ---------------------------------------------------------------------


@publishes(OrderPlacedV1)
async def place_order(event: CartCheckedOutV1, tx: Transaction) -> None:
    """Start an order; the catalog answers whether it can be had."""
    if await tx.get(Order, event.order_id) is not None:
        return
    lines = [Line(line.product_id, line.quantity, Money(*line.unit_price.parts)) for line in event.lines]
    try:
        order, changes = placing.place(
            event.order_id, event.customer_id, lines, Money(*event.total.parts), at=tx.now, address_id=event.address_id
        )
    except Inconsistent as error:
        raise Reject(str(error)) from error
    publish_order_changes(tx, order, changes)


@publishes(OrderCancelledV1)
async def reject_order(event: StockRejectedV1, tx: Transaction) -> None:
    """Cancel what cannot be sold as ordered, and keep why."""
    order = await _order(tx, event.order_id)
    lines = [
        RejectedLine(
            line.product_id,
            line.reason.value,
            line.requested,
            line.available,
            Money(*line.price.parts) if line.price else None,
        )
        for line in event.lines
    ]
    publish_order_changes(tx, order, placing.reject(order, lines, tx.now))


@publishes(OrderCancelledV1)
async def stop_waiting_for_stock(event: StockAnswerDueV1, tx: Transaction) -> None:
    """Cancel what the catalog never answered."""
    order = await _order(tx, event.order_id)
    publish_order_changes(tx, order, placing.stock_unanswered(order, tx.now))


@publishes()
async def schedule_expiry(event: ReservationExpiredV1, tx: Transaction) -> None:
    """Schedule the end of the reservation as a deadline: a payment that came before may lie in another queue."""
    tx.schedule(ReservationOverV1(order_id=event.order_id), after=AT_ONCE)


@publishes(OrderCancelledV1)
async def expire_order(event: ReservationOverV1, tx: Transaction) -> None:
    """Cancel unless the order is paid, so that its stock can be sold to others."""
    order = await _order(tx, event.order_id)
    publish_order_changes(tx, order, paying.give_up(order, Reason.RESERVATION_EXPIRED, tx.now))


@publishes()
async def copy_address(event: AddressRecordedV1 | AddressErasedV1, tx: Transaction) -> None:
    """Know whether the customer has an address, whatever order that is told in."""
    address = await tx.get(KnownAddress, event.customer_id)
    if address is None:
        address = KnownAddress(event.customer_id)
        tx.add(address)
    address.learn(event.address_id if isinstance(event, AddressRecordedV1) else None, event.revision)


# -- paying ---------------------------------------------------------------------------------------------


@publishes()
async def prepare_charge(event: StockReservedV1 | ChargeDueV1, tx: Transaction) -> Charge | Void | None:
    """Write down which provider is about to be asked, and for what: nobody, before there is an address."""
    order = await _order(tx, event.order_id)
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
    return _void(await _order(tx, event.order_id))


@publishes(PaymentCapturedV1, OrderConfirmedV1, PaymentDeclinedV1, OrderCancelledV1)
async def record_payment(event: StockReservedV1 | ChargeDueV1 | VoidDueV1, answer: Answer, tx: Transaction) -> None:
    """Take in what a provider answered, if the order still waits for it."""
    order = await _order(tx, event.order_id)
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
    order = await _order(tx, event.order_id)
    publish_order_changes(tx, order, paying.overdue(order, tx.now))


@publishes()
async def prepare_refund(event: RefundDueV1, tx: Transaction) -> Refund | None:
    """Find who holds the money of a cancelled order."""
    order = await _order(tx, event.order_id)
    if not paying.owes_refund(order) or order.provider is None:
        return None
    return Refund(order.order_id, order.provider)


@publishes(PaymentRefundedV1)
async def record_refund(event: RefundDueV1, answer: Refunded, tx: Transaction) -> None:
    """Note that the money went back."""
    order = await _order(tx, event.order_id)
    publish_order_changes(tx, order, paying.refunded(order, tx.now))


# -- after confirmation ---------------------------------------------------------------------------------


@publishes(CancellationRequestedV1, OrderCancelledV1)
async def cancel_order(order_id: UUID, customer_id: str, tx: Transaction) -> Order | None:
    """Cancel on the customer's word, or start to. None if it is not theirs; raises TooLate."""
    order = await tx.get(Order, order_id)
    if order is None or order.customer_id != customer_id:
        return None
    publish_order_changes(tx, order, shipping.request_cancellation(order, tx.now))
    return order


@publishes()
async def note_dispatch(event: ShipmentDispatchedV1, tx: Transaction) -> None:
    """From now on it is too late to cancel."""
    order = await _order(tx, event.order_id)
    publish_order_changes(tx, order, shipping.dispatched(order, event.carrier, event.tracking_code, tx.now))


@publishes(OrderDeliveredV1)
async def complete_order(event: ShipmentDeliveredV1, tx: Transaction) -> None:
    order = await _order(tx, event.order_id)
    publish_order_changes(tx, order, shipping.delivered(order, tx.now))


@publishes(OrderCancelledV1)
async def cancel_unsendable(event: ShipmentFailedV1, tx: Transaction) -> None:
    """No carrier took the parcel, or it had no address: cancel, and give the money back."""
    order = await _order(tx, event.order_id)
    homeless = event.reason is ShipmentFailureReason.NO_ADDRESS
    reason = Reason.NO_ADDRESS if homeless else Reason.SHIPPING_FAILED
    publish_order_changes(tx, order, shipping.stopped(order, reason, tx.now))


@publishes(OrderCancelledV1)
async def cancel_stopped(event: ShipmentCancelledV1, tx: Transaction) -> None:
    """The parcel was stopped as the customer wished: cancel, and give the money back."""
    order = await _order(tx, event.order_id)
    publish_order_changes(tx, order, shipping.stopped(order, Reason.CUSTOMER, tx.now))


@publishes()
async def refuse_cancellation(event: CancellationRefusedV1, tx: Transaction) -> None:
    """The order goes on; the customer can read why it was not cancelled."""
    order = await _order(tx, event.order_id)
    publish_order_changes(tx, order, shipping.refuse_cancellation(order, event.reason.value, tx.now))


@publishes()
async def note_delay(event: ShippingOverdueV1, tx: Transaction) -> None:
    """Let the customer read that the parcel is late."""
    order = await _order(tx, event.order_id)
    publish_order_changes(tx, order, shipping.overdue(order, tx.now))


def _reserve(order: Order, event: StockReservedV1, tx: Transaction) -> list[Entry]:
    lowered = {less.product_id: Money(*less.price.parts) for less in event.lowered or ()}
    try:
        return placing.reserve(order, tx.now, lowered)
    except Inconsistent as error:
        raise Reject(str(error)) from error


def _void(order: Order) -> Void | None:
    provider = paying.key_to_close(order)
    return Void(order.order_id, provider) if provider else None


async def _order(tx: Transaction, order_id: UUID) -> Order:
    order = await tx.get(Order, order_id)
    if order is None:
        raise RetryLater(UNHEARD_OF, give_up_after=MISSING_FOR)
    return order
