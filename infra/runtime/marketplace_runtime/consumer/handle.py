"""Handle: run the handlers. What they publish is in the transaction's outbox when it commits."""

from collections.abc import Iterator
from contextlib import contextmanager

from marketplace_runtime.consumer.batch import Batch
from marketplace_runtime.consumer.delivery import Delivery
from marketplace_runtime.database import Transaction
from marketplace_runtime.telemetry import trace


async def handle(tx: Transaction, batch: Batch) -> None:
    """Run the handler of each delivery, in their order."""
    for delivery in batch.deliveries:
        handler = delivery.reaction.handle
        if handler is not None:
            with caused_by(delivery, tx):
                await handler(delivery.event, tx)


@contextmanager
def caused_by(delivery: Delivery, tx: Transaction) -> Iterator[None]:
    """Within the block, what is published and logged names the delivered event as its cause."""
    tx.cause = delivery.envelope
    with trace(delivery.envelope.traceparent, event_id=str(delivery.envelope.id)):
        yield
