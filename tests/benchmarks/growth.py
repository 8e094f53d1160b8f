"""`growth`: whether a hop slows down as the tables fill."""

from collections.abc import Awaitable, Callable

from tests.benchmarks.contender import MARKETPLACE, running, watch
from tests.benchmarks.figures import Figure, figure, note
from tests.benchmarks.size import Size
from tests.benchmarks.work import OUTGOING, QUEUE, Work, events_of, order_ids
from tests.benchmarks.world import World

INBOX = """
insert into messaging.inbox (subscription, event_id, attempt)
select 'carts', messaging.an_id(now() - interval '1 day' * random()), 1 from generate_series(1, $1)
"""
OUTBOX = """
with rows as (
    insert into messaging.outbox (event_id, type, subject, at, traceparent, body)
    select messaging.an_id(now() - interval '1 day' * random()), 'checkout.order-placed.v1', gen_random_uuid()::text,
        now(), '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', convert_to(repeat('x', 300), 'utf8')
    from generate_series(1, $1) returning event_id, type
)
insert into messaging.outbox_pending (event_id, type, bucket) select event_id, type, floor(random() * 16) from rows
"""
ORDERS = "insert into orders select gen_random_uuid(), 'ada', 3998, 'delivered', 7 from generate_series(1, $1)"

AN_ID = """
create or replace function messaging.an_id(at timestamptz) returns uuid volatile language sql as $$
    select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7'
        || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid
$$
"""
"""A UUIDv7 of that time."""


async def growth(world: World, size: Size) -> Figure:
    """A hop with rows in the inbox, rows waiting in the outbox, orders in the store."""
    await world.sql.execute(AN_ID)
    fills: dict[str, Callable[[], Awaitable[object]]] = {"empty": lambda: world.sql.execute("select 1")}
    for number in size.inbox_rows:
        fills[f"{number:,} inbox rows"] = _filled(world, INBOX, number)
    fills[f"{size.outbox_rows:,} outbox rows waiting"] = _filled(world, OUTBOX, size.outbox_rows)
    fills[f"{size.stored_orders:,} orders stored"] = _filled(world, ORDERS, size.stored_orders)
    rates: dict[str, list[float]] = {name: [] for name in fills}

    async def hops() -> float:
        """A hop is one event handled and one published; with a backlog in the outbox, of other events."""
        handled = size.waiting - await world.depth(QUEUE)
        return (handled + await world.depth(OUTGOING)) / 2

    for round in range(size.rounds):
        for name in list(fills) if round % 2 == 0 else reversed(fills):
            await world.reset()
            await fills[name]()
            await world.sql.execute("vacuum analyze")
            await world.sql.execute("checkpoint")
            await world.send(events_of(order_ids(size.waiting)))
            async with running(MARKETPLACE, world, Work.INSERT) as process:
                seen = await watch(process, world, size.waiting, at_most_s=size.turn_s, progress=hops)
            rates[name].append(seen.rate)
            note(f"round {round + 1}: {name} {seen.rate:,.0f} hops/s")
    return figure("hops/s", rates)


def _filled(world: World, statement: str, number: int) -> Callable[[], Awaitable[object]]:
    return lambda: world.sql.execute(statement, number, timeout=600)
