"""What checkout knows of where customers want parcels."""

from dataclasses import dataclass
from uuid import UUID


@dataclass
class KnownAddress:
    """Whether a customer has an address, as of `revision`."""

    customer_id: str
    address_id: UUID | None = None
    """None: it was erased."""
    revision: int = 0

    def learn(self, address_id: UUID | None, revision: int) -> None:
        """Take over what is newer; what comes late or again changes nothing."""
        if revision > self.revision:
            self.address_id, self.revision = address_id, revision
