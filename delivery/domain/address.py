"""The current and past addresses of a customer."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, repr=False)  # personal data must not get into logs
class PostalAddress:
    """A postal address."""

    name: str
    street: str
    city: str
    postal_code: str
    country: str


@dataclass(frozen=True)
class Recorded:
    """The customer has a new address with this id."""

    address_id: UUID
    revision: int


@dataclass(frozen=True)
class Erased:
    """The customer no longer has an address."""

    revision: int


AddressChange = Recorded | Erased
"""A change of an address. Each is published as an event."""


@dataclass
class Address:
    """The current address of a customer. The customer owns it, and may erase it."""

    customer_id: str
    place: PostalAddress
    address_id: UUID | None = None
    """New for every change. None until the address is published."""
    revision: int | None = None
    """Revision of the last event about this address. None until one is published."""

    def replace_place(self, place: PostalAddress, now: datetime) -> "PastAddress | None":
        """Replace the place. Returns the past address, for earlier orders that go there, or None if it has no id."""
        past = PastAddress(self.address_id, self.customer_id, self.place, now) if self.address_id else None
        self.place = place
        return past

    def record(self, address_id: UUID, revision: int) -> list[AddressChange]:
        """Set the id and the revision that the event carries. Returns the change to publish."""
        self.address_id, self.revision = address_id, revision
        return [Recorded(address_id, revision)]

    def erase(self, revision: int) -> list[AddressChange]:
        """Return the change to publish after the rows are deleted."""
        return [Erased(revision)]


@dataclass
class PastAddress:
    """A replaced address of a customer, kept for orders that were placed while it was current."""

    address_id: UUID
    customer_id: str
    place: PostalAddress
    replaced_at: datetime
