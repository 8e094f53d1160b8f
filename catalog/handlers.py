"""What the catalog does: load, decide, say."""

from datetime import timedelta
from uuid import UUID

from catalog import store
from catalog.domain import (
    Moves,
    News,
    Objection,
    Price,
    Product,
    Reservation,
    State,
    UnknownProduct,
    Wanted,
    lowered,
    objections,
    quantities,
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
from contracts.checkout import OrderCancelledV1, OrderConfirmedV1, OrderPlacedV1
from marketplace_runtime.consumer import Reject, RetryLater
from marketplace_runtime.database import Transaction

UNHEARD_OF, MISSING_FOR = timedelta(seconds=1), timedelta(days=1)
"""How soon a confirmation looks again for its order's reservation, and when it gives up."""


async def reserve_stock(event: OrderPlacedV1, tx: Transaction) -> None:
    """Set every line aside, or none and say why not."""
    if await tx.get(Reservation, event.order_id):
        return  # decided before, or cancelled before it came
    order = [Wanted(line.product_id, line.quantity, Price(*line.unit_price.parts)) for line in event.lines]
    stock = await store.stock_of(tx, (line.product_id for line in order))
    if against := objections(order, stock):
        tx.add(Reservation(event.order_id, State.REJECTED))
        tx.publish(StockRejectedV1(order_id=event.order_id, lines=[_rejected(line) for line in against]))
        return
    reservation = Reservation(event.order_id, State.RESERVED, quantities(order))
    tx.add(reservation)
    _tell_all(reservation.reserve(stock), tx)
    deadline = settings().reservation_deadline
    less = [LoweredPrice(product_id=each, price=Money.of(price)) for each, price in lowered(order, stock).items()]
    tx.publish(StockReservedV1(order_id=event.order_id, expires_at=tx.now + deadline, lowered=less or None))
    tx.schedule(ReservationDueV1(order_id=event.order_id), after=deadline)


async def take_stock(event: OrderConfirmedV1, tx: Transaction) -> None:
    """What was set aside for the order leaves the house."""
    reservation = await tx.get(Reservation, event.order_id)
    if reservation is None:
        raise RetryLater(UNHEARD_OF, give_up_after=MISSING_FOR)
    if reservation.state == State.REJECTED:
        raise Reject(f"order {event.order_id} was confirmed although nothing was reserved for it")
    reservation.take(await store.stock_of(tx, reservation.lines))


async def release_stock(event: OrderCancelledV1, tx: Transaction) -> None:
    """Give back what the order holds, reserved or taken."""
    reservation = await tx.get(Reservation, event.order_id)
    if reservation is None:
        tx.add(Reservation(event.order_id, State.RELEASED))  # so that a late OrderPlaced reserves nothing
        return
    if moves := reservation.release(await store.stock_of(tx, reservation.lines)):
        _tell_all(moves, tx)
        tx.publish(StockReleasedV1(order_id=event.order_id))


async def question_reservation(event: ReservationDueV1, tx: Transaction) -> None:
    """Ask whether an order that still holds its reservation is still wanted."""
    reservation = await tx.get(Reservation, event.order_id)
    if reservation is not None and reservation.state == State.RESERVED:
        tx.publish(ReservationExpiredV1(order_id=event.order_id))


def list_product(
    tx: Transaction,
    *,
    seller_id: str,
    name: str,
    category: str,
    price: Price,
    on_hand: int,
    low_stock_threshold: int,
) -> Product:
    """Offer a new product."""
    product = Product(tx.new_id(), seller_id, name, category, price, on_hand, low_stock_threshold)
    tx.add(product)
    tx.publish(
        ProductListedV1(product_id=product.product_id, seller_id=seller_id, facts=_facts(product)),
    )
    return product


async def change_price(tx: Transaction, product_id: UUID, price: Price, *, seller_id: str) -> Product:
    """Orders at the price of before are refused from now on. Raises `Refused`."""
    product = await _own_product(tx, product_id, seller_id)
    _tell(product, product.change_price(price), tx)
    return product


async def restock(tx: Transaction, product_id: UUID, quantity: int, *, seller_id: str) -> Product:
    """The seller brings more units. Raises `Refused`."""
    product = await _own_product(tx, product_id, seller_id)
    _tell(product, product.restock(quantity), tx)
    return product


async def discontinue(tx: Transaction, product_id: UUID, *, seller_id: str) -> Product:
    """Sell it no more; reserved units still go out. Raises `UnknownProduct`."""
    product = await _own_product(tx, product_id, seller_id)
    _tell(product, product.discontinue(), tx)
    return product


async def _own_product(tx: Transaction, product_id: UUID, seller_id: str) -> Product:
    product = await tx.get(Product, product_id)
    if product is None or product.seller_id != seller_id:
        raise UnknownProduct
    return product


def _tell_all(moves: Moves, tx: Transaction) -> None:
    for product, news in moves:
        _tell(product, news, tx)


def _tell(product: Product, news: list[News], tx: Transaction) -> None:
    if not news:
        return
    about, facts = product.product_id, _facts(product)
    for item in news:
        match item:
            case News.PRICE_CHANGED:
                tx.publish(PriceChangedV1(product_id=about, facts=facts))
            case News.DISCONTINUED:
                tx.publish(ProductDiscontinuedV1(product_id=about, facts=facts))
            case News.SOLD_OUT:
                tx.publish(ProductSoldOutV1(product_id=about, facts=facts))
            case News.RESTOCKED:
                tx.publish(ProductRestockedV1(product_id=about, facts=facts, available=product.available))
            case News.RUNNING_LOW:
                tx.publish(
                    StockRunningLowV1(product_id=about, seller_id=product.seller_id, available=product.available)
                )


def _facts(product: Product) -> ProductFacts:
    return ProductFacts(
        version=product.version,
        name=product.name,
        category=product.category,
        price=Money.of(product.price),
        status=ProductStatus(product.status),
    )


def _rejected(objection: Objection) -> RejectedLine:
    known = objection.product
    return RejectedLine(
        product_id=objection.line.product_id,
        reason=RejectionReason(objection.reason),
        requested=objection.line.quantity,
        available=known.available if known else None,
        price=Money.of(known.price) if known else None,
    )
