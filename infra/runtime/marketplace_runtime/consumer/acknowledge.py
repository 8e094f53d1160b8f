"""Acknowledge: tell the broker, or the replay, that deliveries are done."""

from collections import defaultdict
from collections.abc import Sequence

from marketplace_runtime.amqp import MessageSource
from marketplace_runtime.consumer.delivery import Delivery


async def acknowledge(deliveries: Sequence[Delivery]) -> None:
    """Acknowledge the messages among `deliveries`, those of one source at once. Others came from the schedule."""
    by_source: defaultdict[MessageSource, list[int]] = defaultdict(list)
    for delivery in deliveries:
        if delivery.message is not None:
            by_source[delivery.message.source].append(delivery.message.tag)
    for source, tags in by_source.items():
        await source.acknowledge(tags)
