"""Keeps a copy of what delivery publishes about customers' addresses."""

from checkout.domain import KnownAddress
from contracts.delivery import AddressErasedV1, AddressRecordedV1
from marketplace_runtime.database import Transaction, publishes


@publishes()
async def copy_address(event: AddressRecordedV1 | AddressErasedV1, tx: Transaction) -> None:
    """Keep the id of the customer's newest address, or that there is none, in whatever order its events arrive."""
    address = await tx.get(KnownAddress, event.customer_id)
    if address is None:
        address = KnownAddress(event.customer_id)
        tx.add(address)
    address.update_if_newer(event.address_id if isinstance(event, AddressRecordedV1) else None, event.revision)
