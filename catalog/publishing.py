"""Translates changes of products and reservations into events. No other module of this service publishes."""

from collections.abc import Sequence

from catalog.domain import (
    Expired,
    Product,
    ProductChange,
    Rejected,
    Rejection,
    Released,
    Reservation,
    ReservationChange,
    Reserved,
    StockChanges,
)
from catalog.settings import settings
from contracts import Money
from contracts.catalog import (
    LoweredPrice,
    PriceChangedV1,
    ProductDiscontinuedV1,
    ProductFacts,
    ProductListedV1,
    ProductRestockedV1,
    ProductSoldOutV1,
    ProductStatus,
    RejectedLine,
    RejectionReason,
    ReservationDueV1,
    ReservationExpiredV1,
    StockRejectedV1,
    StockReleasedV1,
    StockReservedV1,
    StockRunningLowV1,
)
from marketplace_runtime.database import Transaction


def publish_product_changes(tx: Transaction, product: Product, changes: Sequence[ProductChange]) -> None:
    """Publish an event for each change of a product."""
    product_id, seller_id, available = product.product_id, product.seller_id, product.available
    for change in changes:
        match change:
            case ProductChange.LISTED:
                tx.publish(ProductListedV1(product_id=product_id, seller_id=seller_id, facts=_facts(product)))
            case ProductChange.PRICE_CHANGED:
                tx.publish(PriceChangedV1(product_id=product_id, facts=_facts(product)))
            case ProductChange.DISCONTINUED:
                tx.publish(ProductDiscontinuedV1(product_id=product_id, facts=_facts(product)))
            case ProductChange.SOLD_OUT:
                tx.publish(ProductSoldOutV1(product_id=product_id, facts=_facts(product)))
            case ProductChange.RESTOCKED:
                tx.publish(ProductRestockedV1(product_id=product_id, facts=_facts(product), available=available))
            case ProductChange.RUNNING_LOW:
                tx.publish(StockRunningLowV1(product_id=product_id, seller_id=seller_id, available=available))


def publish_stock_changes(tx: Transaction, stock_changes: StockChanges) -> None:
    """Publish the changes that an order caused to its products."""
    for product, changes in stock_changes:
        publish_product_changes(tx, product, changes)


def publish_reservation_changes(
    tx: Transaction, reservation: Reservation, changes: Sequence[ReservationChange]
) -> None:
    """Publish an event for each change of a reservation. A new reservation also gets a deadline."""
    order_id = reservation.order_id
    for change in changes:
        match change:
            case Reserved(lowered):
                deadline = settings().reservation_deadline
                lowered_prices = [
                    LoweredPrice(product_id=each, price=Money.of(price)) for each, price in lowered.items()
                ]
                tx.publish(
                    StockReservedV1(order_id=order_id, expires_at=tx.now + deadline, lowered=lowered_prices or None)
                )
                tx.schedule(ReservationDueV1(order_id=order_id), after=deadline)
            case Rejected(rejections):
                tx.publish(StockRejectedV1(order_id=order_id, lines=[_rejected_line(line) for line in rejections]))
            case Released():
                tx.publish(StockReleasedV1(order_id=order_id))
            case Expired():
                tx.publish(ReservationExpiredV1(order_id=order_id))


def _facts(product: Product) -> ProductFacts:
    return ProductFacts(
        version=product.version,
        name=product.name,
        category=product.category,
        price=Money.of(product.price),
        status=ProductStatus(product.status),
    )


def _rejected_line(rejection: Rejection) -> RejectedLine:
    known = rejection.product
    return RejectedLine(
        product_id=rejection.line.product_id,
        reason=RejectionReason(rejection.reason),
        requested=rejection.line.quantity,
        available=known.available if known else None,
        price=Money.of(known.price) if known else None,
    )
