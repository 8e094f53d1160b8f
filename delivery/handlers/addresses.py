"""Records, publishes and erases customers' addresses, and deletes past ones."""

from datetime import timedelta

from contracts.delivery import AddressErasedV1, AddressRecordedV1
from delivery import store
from delivery.domain import Address, PostalAddress
from delivery.publishing import publish_address_changes
from marketplace_runtime.database import Transaction, publishes

PAST_ADDRESS_RETENTION = timedelta(days=30)
"""Time for which a replaced address is kept: longer than any order takes from its checkout to its confirmation."""


@publishes(AddressRecordedV1)
async def record_address(tx: Transaction, customer_id: str, place: PostalAddress) -> None:
    """Set the address for orders placed from now on. Earlier orders still go to the address of their time."""
    address = await store.lock_address(tx, customer_id)
    if address is None:
        address = Address(customer_id, place)
        tx.add(address)
    elif address.place == place:
        return
    elif past := address.replace_place(place, tx.now):  # None without an id: no order refers to it
        tx.add(past)
    publish_address_changes(tx, address, address.record(tx.new_id(), await store.next_revision(tx)))


@publishes(AddressErasedV1)
async def erase_address(tx: Transaction, customer_id: str) -> None:
    """Delete the current and past addresses of a customer. Keeps no copy. Does nothing if there is no address."""
    address = await store.lock_address(tx, customer_id)
    if address is None:
        return
    await store.erase_addresses(tx, customer_id)
    publish_address_changes(tx, address, address.erase(await store.next_revision(tx)))


@publishes(AddressRecordedV1)
async def announce_addresses(tx: Transaction) -> int:
    """Publish addresses that older versions of the service recorded without publishing them.

    Returns 0, as the result of a sweep counts stuck work that it restarted.
    """
    for address in await store.unpublished_addresses(tx):
        publish_address_changes(tx, address, address.record(tx.new_id(), await store.next_revision(tx)))
    return 0


@publishes()
async def forget_past_addresses(tx: Transaction) -> int:
    """Delete replaced addresses to which no parcel can go any more. Returns 0, as it restarts no stuck work."""
    await store.delete_past_addresses(tx, tx.now - PAST_ADDRESS_RETENTION)
    return 0
