"""Copies of the address facts that delivery publishes."""

from dataclasses import dataclass
from uuid import UUID


@dataclass
class KnownAddress:
    """Checkout's copy of whether a customer has an address, as of `revision`."""

    customer_id: str
    address_id: UUID | None = None
    """None: the address was erased."""
    revision: int = 0

    def update_if_newer(self, address_id: UUID | None, revision: int) -> None:
        """Replace the address id if `revision` is newer. Late or duplicate events change nothing."""
        if revision > self.revision:
            self.address_id, self.revision = address_id, revision
