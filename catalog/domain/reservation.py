"""The rules of a reservation: it holds every line of its order or none.

Taking it ships the units, releasing it gives them back.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from catalog.domain.product import Price, Product, ProductChange

Stock = Mapping[UUID, Product]
"""The products that an order names, as far as there are such."""
Moves = list[tuple[Product, list[ProductChange]]]
"""What an order changed about each of its products."""


class Reason(StrEnum):
    UNKNOWN_PRODUCT = "unknown-product"
    DISCONTINUED = "discontinued"
    SOLD_OUT = "sold-out"
    PRICE_CHANGED = "price-changed"
    """It costs more than the customer saw, or another currency. A lower price is what the customer pays."""


@dataclass(frozen=True)
class Wanted:
    """A line of an order, at the price that the customer saw."""

    product_id: UUID
    quantity: int
    price: Price


@dataclass(frozen=True)
class Objection:
    """Why a line cannot be sold as ordered."""

    line: Wanted
    reason: Reason
    product: Product | None = None


def objections(order: Sequence[Wanted], stock: Stock) -> list[Objection]:
    """What stands against the order; nothing: it can be reserved whole."""
    wanted = quantities(order)
    found = []
    for line in order:
        product = stock.get(line.product_id)
        if product is None:
            found.append(Objection(line, Reason.UNKNOWN_PRODUCT))
        elif product.discontinued:
            found.append(Objection(line, Reason.DISCONTINUED, product))
        elif wanted[line.product_id] > product.available:
            found.append(Objection(line, Reason.SOLD_OUT, product))
        elif line.price.currency != product.price.currency or line.price.amount < product.price.amount:
            found.append(Objection(line, Reason.PRICE_CHANGED, product))
    return found


def lowered(order: Sequence[Wanted], stock: Stock) -> dict[UUID, Price]:
    """Today's price of what costs less than the customer saw, in an order against which nothing stands."""
    return {line.product_id: price for line in order if (price := stock[line.product_id].price) != line.price}


def quantities(order: Sequence[Wanted]) -> dict[UUID, int]:
    """Units by product, also where several lines name the same one."""
    total: Counter[UUID] = Counter()
    for line in order:
        total[line.product_id] += line.quantity
    return dict(total)


class State(StrEnum):
    RESERVED = "reserved"
    TAKEN = "taken"
    RELEASED = "released"
    """Also of an order that was cancelled before it was heard of: a late OrderPlaced finds it so."""
    REJECTED = "rejected"


@dataclass(frozen=True)
class Reserved:
    """Every line is set aside; `lowered` is today's price of what costs less than the customer saw."""

    lowered: Mapping[UUID, Price]


@dataclass(frozen=True)
class Rejected:
    """Nothing is set aside, for these reasons."""

    objections: Sequence[Objection]


@dataclass(frozen=True)
class Released:
    """What was held is given back."""


@dataclass(frozen=True)
class Expired:
    """It was held for as long as it may be held."""


ReservationChange = Reserved | Rejected | Released | Expired
"""A change of a reservation that is published as an event."""


@dataclass
class Reservation:
    """What an order holds. `lines` never change; `state` says whether they are still held."""

    order_id: UUID
    state: State
    lines: dict[UUID, int] = field(default_factory=dict)

    def reserve(self, stock: Stock) -> Moves:
        return [(stock[product], stock[product].reserve(units)) for product, units in self.lines.items()]

    def take(self, stock: Stock) -> None:
        """The order was paid. Nothing happens where it was taken before, or cancelled since."""
        if self.state == State.RESERVED:
            self.state = State.TAKEN
            for product, units in self.lines.items():
                stock[product].take(units)

    def expire(self) -> list[ReservationChange]:
        """It was held for long enough: whoever ordered decides whether it is still wanted."""
        return [Expired()] if self.state == State.RESERVED else []

    def release(self, stock: Stock) -> Moves:
        """The order was cancelled: give back what it still holds, reserved or taken."""
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
