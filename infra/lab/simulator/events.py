"""Counts the events that the services published and handled. Each service reads its counts from its own database."""

import asyncio
from collections import Counter

from infra.lab.simulator.client import Client
from infra.lab.simulator.report import EVENT_COUNTS

MAX_SETTLE_S, POLL_S = 10.0, 1.0


async def count_events(operator: Client, ops: dict[str, str]) -> Counter[str]:
    """Return the sum of the counts over all services. A service that does not answer counts as zero."""
    total: Counter[str] = Counter()
    for url in ops.values():
        answer = await operator.send("GET", f"{url}/ops/counts", label="counts")
        total.update({name: int(answer.body.get(name, 0)) for name in EVENT_COUNTS})
    return total


async def count_settled_events(operator: Client, ops: dict[str, str]) -> Counter[str]:
    """Return the sum once it no longer changes, or after ten seconds.

    Subscribers may still handle events after the last order has ended.
    """
    count = await count_events(operator, ops)
    for _ in range(round(MAX_SETTLE_S / POLL_S)):
        await asyncio.sleep(POLL_S)
        before, count = count, await count_events(operator, ops)
        if before == count:
            break
    return count
