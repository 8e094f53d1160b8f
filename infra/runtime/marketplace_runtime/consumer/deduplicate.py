"""Deduplicates: only the first delivery of each event goes on to the handler.

Its inbox row commits together with the handler's changes.
"""

from collections.abc import Sequence

from marketplace_runtime.consumer import inbox, incidents, poison_counter
from marketplace_runtime.consumer.batch import Batch
from marketplace_runtime.consumer.delivery import Delivery
from marketplace_runtime.database import Transaction, has_partition
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

        An event outside the horizon may be in the schedule, but have no inbox partition. The schedule is then its only
        source, so removing its row is enough to deduplicate it.
        """
        now, name = tx.now, self._name
        outside = [
            each for each in deliveries if each.entry_id is not None and not has_partition(each.envelope.id, now)
        ]
        inside = [each for each in deliveries if each not in outside] if outside else deliveries
        new = await inbox.enter(tx, name, [each.envelope.id for each in inside], [each.attempt for each in inside])
        entries = [each.entry_id for each in deliveries if each.entry_id is not None]
        removed = await scheduled.remove(tx, entries) if entries else set()
        if outside:
            here = {each.envelope.id for each in outside if each.entry_id in removed}
            new |= here - await inbox.find_handled(tx, name, list(here))
        await poison_counter.reset(tx, name, deliveries)
        fresh, again = [], []
        for delivery in deliveries:
            if delivery.envelope.id in new:
                new.discard(delivery.envelope.id)
                fresh.append(delivery)
            else:
                again.append(delivery.incident(name, "duplicate", delivery.duplicate_reason))
        if again:
            await incidents.record(tx, again)
        return fresh
