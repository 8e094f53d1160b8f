"""Acknowledges completed deliveries, each to its source: the broker, or a replay of the log stream."""

from collections import defaultdict
from collections.abc import Sequence

from marketplace_runtime.amqp import MessageSource
from marketplace_runtime.consumer.delivery import Delivery


async def acknowledge(deliveries: Sequence[Delivery]) -> None:
    """Acknowledge the messages of `deliveries`, with one call per source.

    Deliveries from the schedule have no message, and are ignored.
    """
    by_source: defaultdict[MessageSource, list[int]] = defaultdict(list)
    for delivery in deliveries:
        if delivery.message is not None:
            by_source[delivery.message.source].append(delivery.message.tag)
    for source, tags in by_source.items():
        await source.acknowledge(tags)
