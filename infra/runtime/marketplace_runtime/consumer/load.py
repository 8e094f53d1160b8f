"""Loads what the handlers of a whole batch will need. Each `load` function is called once per batch."""

from collections import defaultdict
from collections.abc import Sequence

from marketplace_runtime.consumer.batch import Batch
from marketplace_runtime.consumer.delivery import Delivery
from marketplace_runtime.consumer.subscriptions import Load
from marketplace_runtime.database import Transaction
from marketplace_runtime.events import Event


async def load(tx: Transaction, batch: Batch) -> None:
    """Load for the deliveries that are still in the batch."""
    await load_for(tx, batch.deliveries)


async def load_for(tx: Transaction, deliveries: Sequence[Delivery]) -> None:
    """Call each `load` function once, with the events of all reactions that share it."""
    events: defaultdict[Load, list[Event]] = defaultdict(list)
    for delivery in deliveries:
        if delivery.reaction.load is not None:
            events[delivery.reaction.load].append(delivery.event)
    for load, wanted in events.items():
        await load(wanted, tx)
