"""The rules of a product. Its stock is `on_hand`; some of it may be `reserved` for orders; the rest is available."""

from dataclasses import dataclass, field
from enum import StrEnum, auto
from uuid import UUID

MOST_ON_HAND = 10**9
PLENTY = 2
"""So many times the threshold, without a restock, is much again."""


class Refused(Exception):
    """A seller cannot do this."""

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


class News(StrEnum):
    """What a change of a product is worth telling others."""

    PRICE_CHANGED = auto()
    DISCONTINUED = auto()
    SOLD_OUT = auto()
    RESTOCKED = auto()
    RUNNING_LOW = auto()


@dataclass(frozen=True)
class Price:
    amount: int
    """Minor units."""
    currency: str


@dataclass
class Product:
    """Something a seller offers. `on_hand >= reserved >= 0` at all times.

    `version` counts what others know of it: it grows with every piece of news but RUNNING_LOW.
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
    """Whether the seller knows that little is left. Forgotten once they restocked it, or much came back by itself:
    orders that come and go near the threshold are no news."""

    def __post_init__(self) -> None:
        self.low_stock_said = self.available < self.low_stock_threshold

    @property
    def available(self) -> int:
        return self.on_hand - self.reserved

    @property
    def status(self) -> Status:
        if self.discontinued:
            return Status.DISCONTINUED
        return Status.ON_SALE if self.available else Status.SOLD_OUT

    def change_price(self, price: Price) -> list[News]:
        if self.discontinued:
            raise NoLongerSold
        if price == self.price:
            return []
        self.price = price
        self.version += 1
        return [News.PRICE_CHANGED]

    def discontinue(self) -> list[News]:
        if self.discontinued:
            return []
        self.discontinued = True
        self.version += 1
        return [News.DISCONTINUED]

    def restock(self, quantity: int) -> list[News]:
        if self.discontinued:
            raise NoLongerSold
        if self.on_hand + quantity > MOST_ON_HAND:
            raise TooMuchStock
        self.on_hand += quantity
        return self._moved(by=quantity, restocked=True)

    def reserve(self, quantity: int) -> list[News]:
        self.reserved += quantity
        return self._moved(by=-quantity)

    def unreserve(self, quantity: int) -> list[News]:
        self.reserved -= quantity
        return self._moved(by=quantity)

    def take(self, quantity: int) -> None:
        """Reserved units leave the house: what is available stays as it is."""
        self.on_hand -= quantity
        self.reserved -= quantity

    def put_back(self, quantity: int) -> list[News]:
        """Taken units come back, even past the most that a seller may restock to."""
        self.on_hand += quantity
        return self._moved(by=quantity)

    def _moved(self, *, by: int, restocked: bool = False) -> list[News]:
        if self.discontinued:
            return []
        news = []
        if self.available == 0:
            news.append(News.SOLD_OUT)
        elif restocked or self.available == by:
            news.append(News.RESTOCKED)
        self.version += len(news)
        enough = self.low_stock_threshold if restocked else PLENTY * self.low_stock_threshold
        if self.available > enough:
            self.low_stock_said = False
        elif self.available < self.low_stock_threshold and not self.low_stock_said:
            self.low_stock_said = True
            news.append(News.RUNNING_LOW)
        return news
