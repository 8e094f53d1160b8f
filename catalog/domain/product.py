"""The rules of a product and its stock.

Of the units `on_hand`, `reserved` are held for orders. The rest is available.
"""

from dataclasses import dataclass, field
from enum import StrEnum, auto
from uuid import UUID

MAX_UNITS_ON_HAND = 10**9
"""Maximum units on hand of a product that a seller may reach by restocking."""
LOW_STOCK_RESET_FACTOR = 2
"""Once more than this multiple of the low-stock threshold is available, the seller may be warned again. After a
restock, more than the threshold is enough."""


class Refused(Exception):
    """Base of the errors that tell a seller why an operation is not allowed."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class UnknownProduct(Refused):
    """There is no such product, or it is another seller's."""


class NoLongerSold(Refused):
    """The product is discontinued: it can be neither repriced nor restocked."""


class TooMuchStock(Refused):
    """A product has at most 1000000000 units on hand."""


class Status(StrEnum):
    ON_SALE = "on-sale"
    SOLD_OUT = "sold-out"
    DISCONTINUED = "discontinued"


class Availability(StrEnum):
    """How well a product can be bought, without the number of units."""

    IN_STOCK = auto()
    LOW_STOCK = auto()
    SOLD_OUT = auto()


class ProductChange(StrEnum):
    """A change of a product. Each is published as an event."""

    LISTED = auto()
    PRICE_CHANGED = auto()
    DISCONTINUED = auto()
    SOLD_OUT = auto()
    RESTOCKED = auto()
    RUNNING_LOW = auto()


@dataclass(frozen=True)
class Price:
    amount: int
    """In minor units of `currency`."""
    currency: str


@dataclass
class Product:
    """A product that a seller offers. `on_hand >= reserved >= 0` always holds.

    `version` orders the published facts of a product. It grows with every published change except RUNNING_LOW.
    """

    product_id: UUID
    seller_id: str
    name: str
    category: str
    price: Price
    on_hand: int
    low_stock_threshold: int
    reserved: int = 0
    discontinued: bool = False
    version: int = 1
    low_stock_said: bool = field(init=False)
    """Whether the seller was warned that stock is low, or listed the product with low stock and needs no warning.

    A restock resets it if more units than the threshold are then available. Any other change resets it only if the
    available units exceed `LOW_STOCK_RESET_FACTOR` times the threshold. So orders that come and go near the threshold
    do not repeat the warning.
    """

    def __post_init__(self) -> None:
        self.low_stock_said = self._is_low

    @property
    def available(self) -> int:
        return self.on_hand - self.reserved

    @property
    def status(self) -> Status:
        if self.discontinued:
            return Status.DISCONTINUED
        return Status.ON_SALE if self.available else Status.SOLD_OUT

    @property
    def availability(self) -> Availability:
        if self.status is not Status.ON_SALE:
            return Availability.SOLD_OUT
        return Availability.LOW_STOCK if self._is_low else Availability.IN_STOCK

    @property
    def _is_low(self) -> bool:
        return self.available < self.low_stock_threshold

    def change_price(self, price: Price) -> list[ProductChange]:
        if self.discontinued:
            raise NoLongerSold
        if price == self.price:
            return []
        self.price = price
        self.version += 1
        return [ProductChange.PRICE_CHANGED]

    def discontinue(self) -> list[ProductChange]:
        if self.discontinued:
            return []
        self.discontinued = True
        self.version += 1
        return [ProductChange.DISCONTINUED]

    def restock(self, quantity: int) -> list[ProductChange]:
        if self.discontinued:
            raise NoLongerSold
        if self.on_hand + quantity > MAX_UNITS_ON_HAND:
            raise TooMuchStock
        self.on_hand += quantity
        return self._record_stock_change(difference=quantity, restocked=True)

    def reserve(self, quantity: int) -> list[ProductChange]:
        self.reserved += quantity
        return self._record_stock_change(difference=-quantity)

    def unreserve(self, quantity: int) -> list[ProductChange]:
        self.reserved -= quantity
        return self._record_stock_change(difference=quantity)

    def take(self, quantity: int) -> None:
        """Ship reserved units. The number of available units does not change."""
        self.on_hand -= quantity
        self.reserved -= quantity

    def put_back(self, quantity: int) -> list[ProductChange]:
        """Return shipped units to stock, even above `MAX_UNITS_ON_HAND`, which limits only restocks by the seller."""
        self.on_hand += quantity
        return self._record_stock_change(difference=quantity)

    def _record_stock_change(self, *, difference: int, restocked: bool = False) -> list[ProductChange]:
        """Return the changes that follow from a change of the available units by `difference`."""
        if self.discontinued:
            return []
        changes = []
        if self.available == 0:
            changes.append(ProductChange.SOLD_OUT)
        elif restocked or self.available == difference:  # nothing was available before
            changes.append(ProductChange.RESTOCKED)
        self.version += len(changes)
        reset_above = self.low_stock_threshold if restocked else LOW_STOCK_RESET_FACTOR * self.low_stock_threshold
        if self.available > reset_above:
            self.low_stock_said = False
        elif self._is_low and not self.low_stock_said:
            self.low_stock_said = True
            changes.append(ProductChange.RUNNING_LOW)
        return changes
