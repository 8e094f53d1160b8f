"""Deduplicates: only the first delivery of each event goes on to the handler.

Its inbox row commits together with the handler's changes.
"""

from collections.abc import Sequence

from marketplace_runtime.consumer import inbox, incidents, poison_counter
from marketplace_runtime.consumer.batch import Batch
from marketplace_runtime.consumer.delivery import Delivery
from marketplace_runtime.database import Transaction, has_daily_partition
from marketplace_runtime.scheduler import table as scheduled


class Deduplicate:
    """Runs the deduplication stage of one subscription."""

    def __init__(self, subscription: str) -> None:
        self._name = subscription

    async def __call__(self, tx: Transaction, batch: Batch) -> None:
        """Keep one delivery of each event that was not handled before."""
        batch.deliveries = await self.enter(tx, batch.deliveries)

    async def enter(self, tx: Transaction, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Write the inbox and remove the rows of the schedule. Returns one delivery per event not handled before.

        The schedule may hold an event that has no inbox partition: its id is too old, or too far in the future.
        The schedule is then its only source, so removing its row is enough to deduplicate it.
        """
        now, name = tx.now, self._name
        without_partition = [
            each for each in deliveries if each.entry_id is not None and not has_daily_partition(each.envelope.id, now)
        ]
        with_partition = (
            [each for each in deliveries if each not in without_partition] if without_partition else deliveries
        )
        new = await inbox.enter(
            tx, name, [each.envelope.id for each in with_partition], [each.attempt for each in with_partition]
        )
        entry_ids = [each.entry_id for each in deliveries if each.entry_id is not None]
        removed_entry_ids = await scheduled.remove(tx, entry_ids) if entry_ids else set()
        if without_partition:
            removed_event_ids = {each.envelope.id for each in without_partition if each.entry_id in removed_entry_ids}
            new |= removed_event_ids - await inbox.find_handled(tx, name, list(removed_event_ids))
        await poison_counter.reset(tx, name, deliveries)
        fresh, duplicates = [], []
        for delivery in deliveries:
            if delivery.envelope.id in new:
                new.discard(delivery.envelope.id)
                fresh.append(delivery)
            else:
                duplicates.append(delivery.incident(name, "duplicate", delivery.duplicate_reason))
        if duplicates:
            await incidents.record(tx, duplicates)
        return fresh
