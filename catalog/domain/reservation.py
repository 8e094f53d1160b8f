"""The rules of a reservation: it holds every line of its order or none.

Taking a reservation ships its units. Releasing it returns them to the available stock.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from catalog.domain.product import Price, Product, ProductChange

Stock = Mapping[UUID, Product]
"""The existing products among those that an order names, by id."""
StockChanges = list[tuple[Product, list[ProductChange]]]
"""The products of an order, each with the changes that the order caused."""


class Reason(StrEnum):
    UNKNOWN_PRODUCT = "unknown-product"
    DISCONTINUED = "discontinued"
    SOLD_OUT = "sold-out"
    PRICE_CHANGED = "price-changed"
    """The price rose, or its currency changed, since the customer saw it. If it fell, the lower one is paid."""


@dataclass(frozen=True)
class OrderLine:
    """A line of an order, at the unit price that the customer saw."""

    product_id: UUID
    quantity: int
    price: Price


@dataclass(frozen=True)
class Rejection:
    """The reason why a line cannot be sold as ordered. `product` is None if there is no such product."""

    line: OrderLine
    reason: Reason
    product: Product | None = None


def find_rejections(order: Sequence[OrderLine], stock: Stock) -> list[Rejection]:
    """Return a rejection for each line that cannot be reserved. If there is none, the whole order can be reserved."""
    wanted = quantities(order)
    found = []
    for line in order:
        product = stock.get(line.product_id)
        if product is None:
            found.append(Rejection(line, Reason.UNKNOWN_PRODUCT))
        elif product.discontinued:
            found.append(Rejection(line, Reason.DISCONTINUED, product))
        elif wanted[line.product_id] > product.available:
            found.append(Rejection(line, Reason.SOLD_OUT, product))
        elif line.price.currency != product.price.currency or line.price.amount < product.price.amount:
            found.append(Rejection(line, Reason.PRICE_CHANGED, product))
    return found


def lowered_prices(order: Sequence[OrderLine], stock: Stock) -> dict[UUID, Price]:
    """Return the current price of each product that now costs less than the customer saw.

    Expects an order without rejections.
    """
    return {line.product_id: price for line in order if (price := stock[line.product_id].price) != line.price}


def quantities(order: Sequence[OrderLine]) -> dict[UUID, int]:
    """Return the units per product, summed over lines that name the same product."""
    total: Counter[UUID] = Counter()
    for line in order:
        total[line.product_id] += line.quantity
    return dict(total)


class State(StrEnum):
    RESERVED = "reserved"
    TAKEN = "taken"
    RELEASED = "released"
    """The units were returned. Also used if OrderCancelled arrives before OrderPlaced, which then reserves nothing."""
    REJECTED = "rejected"


@dataclass(frozen=True)
class Reserved:
    """Every line is reserved. `lowered_prices` has the products that got cheaper since the customer saw them."""

    lowered_prices: Mapping[UUID, Price]


@dataclass(frozen=True)
class Rejected:
    """Nothing is reserved, for the given rejections."""

    rejections: Sequence[Rejection]


@dataclass(frozen=True)
class Released:
    """The units of the reservation were returned."""


@dataclass(frozen=True)
class Expired:
    """The reservation reached its deadline. Its units stay reserved until checkout decides."""


ReservationChange = Reserved | Rejected | Released | Expired
"""A change of a reservation. Each is published as an event."""


@dataclass
class Reservation:
    """The units that an order reserved, by product. `lines` never change; `state` says whether they are still held."""

    order_id: UUID
    state: State
    lines: dict[UUID, int] = field(default_factory=dict)

    def reserve(self, stock: Stock) -> StockChanges:
        return [(stock[product], stock[product].reserve(units)) for product, units in self.lines.items()]

    def take(self, stock: Stock) -> None:
        """Ship the units of a paid order. Does nothing if they were shipped or released before."""
        if self.state == State.RESERVED:
            self.state = State.TAKEN
            for product, units in self.lines.items():
                stock[product].take(units)

    def expire(self) -> list[ReservationChange]:
        """Return `Expired` if the units are still reserved. They stay so: checkout decides about the order."""
        return [Expired()] if self.state == State.RESERVED else []

    def release(self, stock: Stock) -> StockChanges:
        """Return the units of a cancelled order, whether reserved or shipped. Does nothing if it holds none."""
        before = self.state
        if before not in (State.RESERVED, State.TAKEN):
            return []
        self.state = State.RELEASED
        return [
            (
                stock[product],
                stock[product].unreserve(units) if before == State.RESERVED else stock[product].put_back(units),
            )
            for product, units in self.lines.items()
        ]
