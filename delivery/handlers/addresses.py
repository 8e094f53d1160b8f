"""Record, announce, erase and forget customers' addresses."""

from datetime import timedelta

from contracts.delivery import AddressErasedV1, AddressRecordedV1
from delivery import store
from delivery.domain import Address, Place
from delivery.publishing import publish_address_changes
from marketplace_runtime.database import Transaction, publishes

KEPT_FOR = timedelta(days=30)
"""An address after it was replaced: longer than any order is on its way from its checkout to its confirmation."""


@publishes(AddressRecordedV1)
async def record_address(tx: Transaction, customer_id: str, place: Place) -> None:
    """Bring what is ordered from now on there. What was ordered before still goes where it was to go."""
    address = await store.lock_address(tx, customer_id)
    if address is None:
        address = Address(customer_id, place)
        tx.add(address)
    elif address.place == place:
        return
    elif past := address.become(place, tx.now):
        tx.add(past)
    publish_address_changes(tx, address, address.record(tx.new_id(), await store.next_revision(tx)))


@publishes(AddressErasedV1)
async def erase_address(tx: Transaction, customer_id: str) -> None:
    """Forget where the customer lives and lived; no copy is kept. Nothing happens where that is not known."""
    address = await store.lock_address(tx, customer_id)
    if address is None:
        return
    await store.erase_addresses(tx, customer_id)
    publish_address_changes(tx, address, address.erased(await store.next_revision(tx)))


@publishes(AddressRecordedV1)
async def announce_addresses(tx: Transaction) -> int:
    """Publish the addresses that were recorded before that was published, or by older code."""
    for address in await store.unpublished_addresses(tx):
        publish_address_changes(tx, address, address.record(tx.new_id(), await store.next_revision(tx)))
    return 0


@publishes()
async def forget_past_addresses(tx: Transaction) -> int:
    """Delete replaced addresses that no parcel can be to go to any more."""
    await store.delete_past_addresses(tx, tx.now - KEPT_FOR)
    return 0
