"""What the cart knows of products and addresses: copies of what their services publish."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Status(StrEnum):
    ON_SALE = "on-sale"
    SOLD_OUT = "sold-out"
    DISCONTINUED = "discontinued"


@dataclass(frozen=True)
class Price:
    amount: int
    """Minor units."""
    currency: str


@dataclass
class ProductCopy:
    """What the cart knows of a product: as of `version`, perhaps not the newest."""

    product_id: UUID
    name: str
    price: Price
    status: Status
    version: int

    def learn(self, name: str, price: Price, status: Status, version: int) -> None:
        """Take over newer facts; older ones, which come late or again, change nothing."""
        if version > self.version:
            self.name, self.price, self.status, self.version = name, price, status, version


@dataclass
class KnownAddress:
    """What the cart knows of where a customer wants parcels: that there is an address, or that there is none."""

    customer_id: str
    address_id: UUID | None = None
    """None: there is none."""
    revision: int = 0
    """0 where nothing was ever said of it, although an order waited for that."""

    def learn(self, address_id: UUID | None, revision: int) -> None:
        """Take over what is newer; what comes late or again changes nothing."""
        if revision > self.revision:
            self.address_id, self.revision = address_id, revision
