"""`growth`: whether a hop slows down as the tables fill."""

import asyncio
from contextlib import AsyncExitStack

from tests.benchmarks.contender import MARKETPLACE, running, watch
from tests.benchmarks.figures import Figure, figure, note
from tests.benchmarks.size import Size
from tests.benchmarks.work import OUTGOING, QUEUE, Work, events_of, order_ids
from tests.benchmarks.world import EMPTY, World

IDS = "select messaging.an_id(now() - interval '1 day' * (1 - n / $1::float8)) as id from generate_series(1, $1) as n"
"""UUIDv7 of the last day in their order, as they would have come: so that indexes grow at their end, and quickly."""
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

FILLED_WITHIN_S = 1200

AN_ID = """
create or replace function messaging.an_id(at timestamptz) returns uuid volatile language sql as $$
    select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7'
        || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid
$$
"""
"""A UUIDv7 of that time."""


async def growth(world: World, size: Size) -> Figure:
    """A hop with rows in the inbox, rows waiting in the outbox, orders in the store."""
    fills = {"empty": (INBOX, 0)}
    fills |= {f"{number:,} inbox rows": (INBOX, number) for number in size.inbox_rows}
    fills[f"{size.outbox_rows:,} outbox rows waiting"] = (OUTBOX, size.outbox_rows)
    fills[f"{size.stored_orders:,} orders stored"] = (ORDERS, size.stored_orders)
    rates: dict[str, list[float]] = {name: [] for name in fills}
    async with AsyncExitStack() as stack:
        worlds = {}
        for place, name in enumerate(fills):
            worlds[name] = await stack.enter_async_context(world.with_database(f"growth{place}"))
            await worlds[name].sql.execute(AN_ID)
        note("filling")
        await asyncio.gather(
            *(
                worlds[name].sql.execute(statement, rows, timeout=FILLED_WITHIN_S)
                for name, (statement, rows) in fills.items()
                if statement != OUTBOX
            )
        )
        for round in range(size.rounds):
            for name in list(fills) if round % 2 == 0 else reversed(fills):
                statement, rows = fills[name]
                if statement == OUTBOX:
                    await worlds[name].sql.execute(EMPTY)
                    await worlds[name].sql.execute(statement, rows, timeout=FILLED_WITHIN_S)
                rates[name].append(await _turn(worlds[name], size))
                note(f"round {round + 1}: {name} {rates[name][-1]:,.0f} hops/s")
    return figure("hops/s", rates)


async def _turn(world: World, size: Size) -> float:
    """Hops per second: of handling one event and publishing one, which with a backlog is another's."""
    await world.settle()
    await world.send(events_of(order_ids(size.waiting)))

    async def hops() -> float:
        handled = size.waiting - await world.depth(QUEUE)
        return (handled + await world.depth(OUTGOING)) / 2

    async with running(MARKETPLACE, world, Work.INSERT) as process:
        return (await watch(process, world, size.waiting, at_most_s=size.turn_s, progress=hops)).rate
