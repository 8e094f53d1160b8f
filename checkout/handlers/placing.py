"""Places an order, handles the catalog's answer and expires the reservation."""

from checkout.domain import Inconsistent, Line, Money, Order, Reason, RejectedLine, paying, placing
from checkout.handlers.loading import order_of
from checkout.publishing import NO_DELAY, publish_order_changes
from contracts.cart import CartCheckedOutV1
from contracts.catalog import ReservationExpiredV1, StockRejectedV1
from contracts.checkout import OrderCancelledV1, OrderPlacedV1, ReservationOverV1, StockAnswerDueV1
from marketplace_runtime.consumer import Reject
from marketplace_runtime.database import Transaction, publishes


@publishes(OrderPlacedV1)
async def place_order(event: CartCheckedOutV1, tx: Transaction) -> None:
    """Create the order of a checked-out cart. The catalog then answers whether its stock can be reserved."""
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
    """Cancel an order that cannot be sold as ordered, and keep the rejected lines."""
    order = await order_of(tx, event.order_id)
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
    """Cancel an order that the catalog did not answer before the deadline."""
    order = await order_of(tx, event.order_id)
    publish_order_changes(tx, order, placing.cancel_unanswered(order, tx.now))


@publishes()
async def schedule_expiry(event: ReservationExpiredV1, tx: Transaction) -> None:
    """Schedule the end of the reservation as a deadline.

    A payment that arrived earlier may still be in another queue. A deadline is handled after it.
    """
    tx.schedule(ReservationOverV1(order_id=event.order_id), after=NO_DELAY)


@publishes(OrderCancelledV1)
async def expire_order(event: ReservationOverV1, tx: Transaction) -> None:
    """Cancel the order unless it is paid, so that its stock can be sold to others."""
    order = await order_of(tx, event.order_id)
    publish_order_changes(tx, order, paying.give_up(order, Reason.RESERVATION_EXPIRED, tx.now))
