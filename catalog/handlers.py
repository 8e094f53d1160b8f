"""Use cases of the catalog. Each loads its objects, applies the rules and publishes the changes."""

from datetime import timedelta
from uuid import UUID

from catalog import store
from catalog.domain import (
    OrderLine,
    Price,
    Product,
    ProductChange,
    Rejected,
    Released,
    Reservation,
    Reserved,
    State,
    UnknownProduct,
    find_rejections,
    lowered_prices,
    quantities,
)
from catalog.publishing import publish_product_changes, publish_reservation_changes, publish_stock_changes
from contracts.catalog import (
    PriceChangedV1,
    ProductDiscontinuedV1,
    ProductListedV1,
    ProductRestockedV1,
    ProductSoldOutV1,
    ReservationDueV1,
    ReservationExpiredV1,
    StockRejectedV1,
    StockReleasedV1,
    StockReservedV1,
    StockRunningLowV1,
)
from contracts.checkout import OrderCancelledV1, OrderConfirmedV1, OrderPlacedV1
from marketplace_runtime.consumer import Reject, RetryLater
from marketplace_runtime.database import Transaction, publishes

MISSING_ROW_RETRY_INTERVAL, MISSING_ROW_TIME_LIMIT = timedelta(seconds=1), timedelta(days=1)
"""Retry interval of a confirmation whose reservation does not exist yet, and the time until it is dead-lettered."""
STOCK_DECREASE_EVENTS, STOCK_INCREASE_EVENTS = (
    (ProductSoldOutV1, StockRunningLowV1),
    (ProductRestockedV1, StockRunningLowV1),
)
"""The events that a decrease of the available units can cause, and those that an increase can cause."""


@publishes(StockReservedV1, StockRejectedV1, *STOCK_DECREASE_EVENTS)
async def reserve_stock(event: OrderPlacedV1, tx: Transaction) -> None:
    """Reserve every line of the order, or reject the order and publish the reasons."""
    if await tx.get(Reservation, event.order_id):
        return  # a duplicate, or OrderCancelled arrived first
    order = [OrderLine(line.product_id, line.quantity, Price(*line.unit_price.parts)) for line in event.lines]
    stock = await store.stock_of(tx, (line.product_id for line in order))
    if rejections := find_rejections(order, stock):
        reservation = Reservation(event.order_id, State.REJECTED)
        publish_reservation_changes(tx, reservation, [Rejected(rejections)])
    else:
        reservation = Reservation(event.order_id, State.RESERVED, quantities(order))
        publish_stock_changes(tx, reservation.reserve(stock))
        publish_reservation_changes(tx, reservation, [Reserved(lowered_prices(order, stock))])
    tx.add(reservation)


@publishes()
async def take_stock(event: OrderConfirmedV1, tx: Transaction) -> None:
    """Ship the reserved units of a confirmed order."""
    reservation = await tx.get(Reservation, event.order_id)
    if reservation is None:
        raise RetryLater(MISSING_ROW_RETRY_INTERVAL, give_up_after=MISSING_ROW_TIME_LIMIT)
    if reservation.state == State.REJECTED:
        raise Reject(f"order {event.order_id} was confirmed although nothing was reserved for it")
    reservation.take(await store.stock_of(tx, reservation.lines))


@publishes(StockReleasedV1, *STOCK_INCREASE_EVENTS)
async def release_stock(event: OrderCancelledV1, tx: Transaction) -> None:
    """Return the units that a cancelled order holds, whether reserved or shipped."""
    reservation = await tx.get(Reservation, event.order_id)
    if reservation is None:
        tx.add(Reservation(event.order_id, State.RELEASED))  # so that a late OrderPlaced reserves nothing
        return
    if stock_changes := reservation.release(await store.stock_of(tx, reservation.lines)):
        publish_stock_changes(tx, stock_changes)
        publish_reservation_changes(tx, reservation, [Released()])


@publishes(ReservationExpiredV1)
async def expire_reservation(event: ReservationDueV1, tx: Transaction) -> None:
    """Publish ReservationExpired if the order still holds its reservation, so that checkout decides about it."""
    reservation = await tx.get(Reservation, event.order_id)
    if reservation is not None:
        publish_reservation_changes(tx, reservation, reservation.expire())


@publishes(ProductListedV1)
async def list_product(
    tx: Transaction,
    *,
    seller_id: str,
    name: str,
    category: str,
    price: Price,
    on_hand: int,
    low_stock_threshold: int,
) -> Product:
    """List a new product for sale."""
    product = Product(tx.new_id(), seller_id, name, category, price, on_hand, low_stock_threshold)
    tx.add(product)
    publish_product_changes(tx, product, [ProductChange.LISTED])
    return product


@publishes(PriceChangedV1)
async def change_price(tx: Transaction, product_id: UUID, price: Price, *, seller_id: str) -> Product:
    """Change the price of the seller's product.

    Orders placed at a lower price, or in another currency, are rejected from now on.
    Raises `UnknownProduct`, or `NoLongerSold` if it is discontinued.
    """
    product = await _own_product(tx, product_id, seller_id)
    publish_product_changes(tx, product, product.change_price(price))
    return product


@publishes(*STOCK_INCREASE_EVENTS)
async def restock(tx: Transaction, product_id: UUID, quantity: int, *, seller_id: str) -> Product:
    """Add units to the stock of the seller's product.

    Raises `UnknownProduct`, `NoLongerSold` if it is discontinued, or `TooMuchStock`.
    """
    product = await _own_product(tx, product_id, seller_id)
    publish_product_changes(tx, product, product.restock(quantity))
    return product


@publishes(ProductDiscontinuedV1)
async def discontinue(tx: Transaction, product_id: UUID, *, seller_id: str) -> Product:
    """Stop selling the seller's product. Reserved units are still shipped. Raises `UnknownProduct`."""
    product = await _own_product(tx, product_id, seller_id)
    publish_product_changes(tx, product, product.discontinue())
    return product


async def _own_product(tx: Transaction, product_id: UUID, seller_id: str) -> Product:
    product = await tx.get(Product, product_id)
    if product is None or product.seller_id != seller_id:
        raise UnknownProduct
    return product
