"""Runs the handlers. The events that they publish enter the outbox with the transaction's commit."""

from collections.abc import Iterator
from contextlib import contextmanager

from marketplace_runtime.consumer.batch import Batch
from marketplace_runtime.consumer.delivery import Delivery
from marketplace_runtime.database import Transaction
from marketplace_runtime.telemetry import trace


async def handle(tx: Transaction, batch: Batch) -> None:
    """Run the handler of each delivery, in the order of the batch."""
    for delivery in batch.deliveries:
        handler = delivery.reaction.handle
        if handler is not None:
            with caused_by(delivery, tx):
                await handler(delivery.event, tx)


@contextmanager
def caused_by(delivery: Delivery, tx: Transaction) -> Iterator[None]:
    """Name the delivered event as the cause of what is published and logged within the block."""
    tx.cause = delivery.envelope
    with trace(delivery.envelope.traceparent, event_id=str(delivery.envelope.id)):
        yield
