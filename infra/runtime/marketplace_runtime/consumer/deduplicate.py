"""Deduplicate: of each event only the first delivery goes on. Its inbox row commits with the handler's changes."""

from collections.abc import Sequence

from marketplace_runtime.consumer import inbox, incidents, poison_counter
from marketplace_runtime.consumer.batch import Batch
from marketplace_runtime.consumer.delivery import Delivery
from marketplace_runtime.database import Transaction, has_partition
from marketplace_runtime.scheduler import table as scheduled


class Deduplicate:
    """The stage for one subscription."""

    def __init__(self, subscription: str) -> None:
        self._name = subscription

    async def __call__(self, tx: Transaction, batch: Batch) -> None:
        """Let through what was not handled before, each event once."""
        batch.deliveries = await self.enter(tx, batch.deliveries)

    async def enter(self, tx: Transaction, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Write the inbox and clear the schedule. Returns those that were not handled before, each event once.

        What the schedule holds of a time outside the horizon may have no partition in the inbox: its row there is the
        only place that it can come from, so removing that row is enough.
        """
        now, name = tx.now, self._name
        outside = [each for each in deliveries if each.entry is not None and not has_partition(each.envelope.id, now)]
        inside = [each for each in deliveries if each not in outside] if outside else deliveries
        new = await inbox.enter(tx, name, [each.envelope.id for each in inside], [each.attempt for each in inside])
        entries = [each.entry for each in deliveries if each.entry is not None]
        removed = await scheduled.remove(tx, entries) if entries else set()
        if outside:
            here = {each.envelope.id for each in outside if each.entry in removed}
            new |= here - await inbox.known(tx, name, list(here))
        await poison_counter.reset(tx, name, deliveries)
        fresh, again = [], []
        for delivery in deliveries:
            if delivery.envelope.id in new:
                new.discard(delivery.envelope.id)
                fresh.append(delivery)
            else:
                again.append(delivery.incident(name, "duplicate", delivery.came_again))
        if again:
            await incidents.note(tx, again)
        return fresh
