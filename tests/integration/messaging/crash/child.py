"""The process that is killed: it runs `checkout`'s messaging on the event loop that services use.

`python -m tests.integration.messaging.crash.child '{"database": …, "broker": …}'` runs it by hand.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

import asyncpg
import uvloop

from marketplace_runtime.database import Database
from marketplace_runtime.service import Messaging
from marketplace_runtime.telemetry import configure_logging
from tests.integration.messaging.crash import service
from tests.integration.messaging.crash.steps import POINTS, When, kill_at


@dataclass(frozen=True)
class Orders:
    """The servers' addresses, and the point at which to die; without a `point`, SIGTERM ends it gracefully."""

    database: str
    broker: str
    point: str | None = None
    when: When = "before"
    nth: int = 1


Change = Callable[[], None]
"""A change of the code before it runs; it installs a mutant in the process."""


def main(orders: Orders, change: Change | None = None) -> None:
    configure_logging("checkout", format="console", level="INFO")
    if change is not None:
        change()
    if orders.point is not None:
        kill_at(POINTS[orders.point], orders.when, orders.nth)
    uvloop.run(_run(orders))


async def _run(orders: Orders) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    table = service.table()
    internal_subscriptions = {type: table.name for type, reaction in table.reactions.items() if reaction.event.internal}
    database = Database(orders.database, source="checkout", internal_subscriptions=internal_subscriptions)
    clients = await asyncpg.create_pool(orders.database, min_size=0, max_size=4)
    messaging = Messaging(
        service="checkout", subscriptions=[table], database=database, broker_url=orders.broker, clients=clients
    )
    await messaging.run(stop)
    await clients.close()
    await database.close()


if __name__ == "__main__":
    main(Orders(**json.loads(sys.argv[1])))
