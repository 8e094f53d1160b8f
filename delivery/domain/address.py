"""Where a customer wants parcels, now and before."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, repr=False)  # personal data: not for logs
class Place:
    """Where a parcel can be brought."""

    name: str
    street: str
    city: str
    postal_code: str
    country: str


@dataclass(frozen=True)
class Recorded:
    """The customer has another address, under this id."""

    address_id: UUID
    revision: int


@dataclass(frozen=True)
class Erased:
    """The customer has no address any more."""

    revision: int


AddressChange = Recorded | Erased
"""A change of an address that is published as an event."""


@dataclass
class Address:
    """Where a customer wants parcels from now on. Owned by the customer, who may erase it."""

    customer_id: str
    place: Place
    address_id: UUID | None = None
    """Another for every change; None until it is published."""
    revision: int | None = None
    """Of the last event about it."""

    def become(self, place: Place, now: datetime) -> "PastAddress | None":
        """Move. Returns the address until now, which earlier orders may still go to; None if it has no id."""
        past = PastAddress(self.address_id, self.customer_id, self.place, now) if self.address_id else None
        self.place = place
        return past

    def record(self, address_id: UUID, revision: int) -> list[AddressChange]:
        """Set the id and the revision that the event carries."""
        self.address_id, self.revision = address_id, revision
        return [Recorded(address_id, revision)]

    def erased(self, revision: int) -> list[AddressChange]:
        """Return the change to publish once the rows are deleted."""
        return [Erased(revision)]


@dataclass
class PastAddress:
    """Where a customer wanted parcels once: for orders of that time."""

    address_id: UUID
    customer_id: str
    place: Place
    replaced_at: datetime
