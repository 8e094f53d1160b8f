"""How many events the services published and handled: asked of each service, read from its own database."""

import asyncio
from collections import Counter

from infra.lab.simulator.client import Client
from infra.lab.simulator.report import EVENT_COUNTS

SETTLED_WITHIN_S, LOOK_EVERY_S = 10.0, 1.0


async def count_events(operator: Client, ops: dict[str, str]) -> Counter[str]:
    """The sum over the services; one that does not answer counts nothing."""
    total: Counter[str] = Counter()
    for url in ops.values():
        answer = await operator.ask("GET", f"{url}/ops/counts", what="counts")
        total.update({name: int(answer.body.get(name, 0)) for name in EVENT_COUNTS})
    return total


async def settled_count(operator: Client, ops: dict[str, str]) -> Counter[str]:
    """The sum once it stands still (subscribers may finish after the last order did), or after ten seconds."""
    count = await count_events(operator, ops)
    for _ in range(round(SETTLED_WITHIN_S / LOOK_EVERY_S)):
        await asyncio.sleep(LOOK_EVERY_S)
        before, count = count, await count_events(operator, ops)
        if before == count:
            break
    return count
