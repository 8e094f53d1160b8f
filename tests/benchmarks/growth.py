"""`growth`: whether a hop becomes slower as the tables fill."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from tests.benchmarks.contender import MARKETPLACE, measure, running
from tests.benchmarks.figures import Figure, figure, note
from tests.benchmarks.servers import EMPTY, Servers
from tests.benchmarks.size import Size
from tests.benchmarks.work import OUTGOING, QUEUE, Work, events_of, order_ids

IDS = "select messaging.an_id(now() - interval '1 day' * (1 - n / $1::float8)) as id from generate_series(1, $1) as n"
"""UUIDv7s of the last day in ascending order, as they would have come. So indexes grow fast, at their end."""
INBOX = f"insert into messaging.inbox (subscription, event_id, attempt) select 'carts', id, 1 from ({IDS}) as ids"
OUTBOX = f"""
with rows as (
    insert into messaging.outbox (event_id, type, subject, at, traceparent, body)
    select id, 'checkout.order-placed.v1', gen_random_uuid()::text, now(),
        '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', convert_to(repeat('x', 300), 'utf8')
    from ({IDS}) as ids returning event_id, type
)
insert into messaging.outbox_pending (event_id, type, bucket) select event_id, type, floor(random() * 16) from rows
"""
ORDERS = f"insert into orders select id, 'ada', 3998, 'delivered', 7 from ({IDS}) as ids"

EMPTY_TABLES = "empty"
FILLED_WITHIN_S = 1200

AN_ID = """
create or replace function messaging.an_id(at timestamptz) returns uuid volatile language sql as $$
    select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7'
        || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid
$$
"""
"""Returns a UUIDv7 of the given time."""


@dataclass(frozen=True)
class Fill:
    """Rows to insert into one table."""

    statement: str
    rows: int

    async def into(self, servers: Servers) -> None:
        """Insert the rows."""
        await servers.sql.execute(self.statement, self.rows, timeout=FILLED_WITHIN_S)


async def growth(servers: Servers, size: Size) -> Figure:
    """A hop with rows in the inbox, rows waiting in the outbox, orders in the store."""
    fills = fills_of(size)
    rates: dict[str, list[float]] = {name: [] for name in fills}
    async with filled(servers, fills) as servers_of:
        for round in range(size.rounds):
            for name in list(fills) if round % 2 == 0 else reversed(fills):
                rates[name].append(await turn(servers_of[name], fills[name], size))
                note(f"round {round + 1}: {name} {rates[name][-1]:,.0f} hops/s")
    return figure("hops/s", rates)


def fills_of(size: Size) -> dict[str, Fill]:
    """Return the variants by name; `EMPTY_TABLES` is the first."""
    fills = {EMPTY_TABLES: Fill(INBOX, 0)}
    fills |= {f"{number:,} inbox rows": Fill(INBOX, number) for number in size.inbox_rows}
    fills[f"{size.outbox_rows:,} outbox rows waiting"] = Fill(OUTBOX, size.outbox_rows)
    fills[f"{size.stored_orders:,} orders stored"] = Fill(ORDERS, size.stored_orders)
    return fills


@asynccontextmanager
async def filled(servers: Servers, fills: Mapping[str, Fill]) -> AsyncIterator[dict[str, Servers]]:
    """Yield the same servers with a database for each fill. Each turn empties the outbox and fills it again."""
    async with AsyncExitStack() as stack:
        servers_of = {}
        for place, name in enumerate(fills):
            servers_of[name] = await stack.enter_async_context(servers.with_database(f"growth{place}"))
            await servers_of[name].sql.execute(AN_ID)
        note("filling")
        await asyncio.gather(*(fill.into(servers_of[name]) for name, fill in fills.items() if fill.statement != OUTBOX))
        yield servers_of


async def turn(servers: Servers, fill: Fill, size: Size) -> float:
    """Return hops per second. One hop handles an event and publishes one; with a backlog, the two events differ."""
    if fill.statement == OUTBOX:
        await servers.sql.execute(EMPTY)
        await fill.into(servers)
    await servers.settle()
    await servers.send(events_of(order_ids(size.waiting)))

    async def hops() -> float:
        handled = size.waiting - await servers.depth(QUEUE)
        return (handled + await servers.depth(OUTGOING)) / 2

    async with running(MARKETPLACE, servers, Work.INSERT) as process:
        return (await measure(process, servers, size.waiting, at_most_s=size.turn_s, progress=hops)).rate
