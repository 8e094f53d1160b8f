"""Copies of product and address facts that the catalog and delivery publish."""

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
    """In minor units of `currency`."""
    currency: str


@dataclass
class ProductCopy:
    """The cart's copy of a product's facts as of `version`, which may not be the newest."""

    product_id: UUID
    name: str
    price: Price
    status: Status
    version: int

    def update_if_newer(self, name: str, price: Price, status: Status, version: int) -> None:
        """Replace the facts if `version` is newer. Late or duplicate facts change nothing."""
        if version > self.version:
            self.name, self.price, self.status, self.version = name, price, status, version


@dataclass
class KnownAddress:
    """The cart's copy of whether a customer has a delivery address."""

    customer_id: str
    address_id: UUID | None = None
    """None: the customer has no address."""
    revision: int = 0
    """Revision of the newest address event. 0 before the first, if an order was cancelled for lack of an address."""

    def update_if_newer(self, address_id: UUID | None, revision: int) -> None:
        """Replace the address id if `revision` is newer. Late or duplicate events change nothing."""
        if revision > self.revision:
            self.address_id, self.revision = address_id, revision
