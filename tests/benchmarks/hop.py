"""`hop` and `hop-update`: how many events per second one process handles."""

from tests.benchmarks.contender import CELERY, FASTSTREAM, FLOOR, MARKETPLACE, Contender, Turn, measure, running
from tests.benchmarks.figures import Figure, rounds
from tests.benchmarks.servers import Servers
from tests.benchmarks.size import Size
from tests.benchmarks.work import Work, events_of, order_ids


async def hop(servers: Servers, size: Size) -> Figure:
    """One event in, inbox row, one inserted row, one event out, confirmed and acknowledged."""
    return await _compare(servers, size, Work.INSERT, [MARKETPLACE, FLOOR, FASTSTREAM, CELERY])


async def hop_update(servers: Servers, size: Size) -> Figure:
    """The same with a row that is loaded and changed."""
    return await _compare(servers, size, Work.UPDATE, [MARKETPLACE, FLOOR])


async def turn(contender: Contender, servers: Servers, work: Work, size: Size) -> Turn:
    """Run one contender with all events waiting."""
    await servers.reset()
    orders = order_ids(size.waiting)
    if work is Work.UPDATE:
        await servers.add_orders(orders)
    await servers.send(contender.encode(events_of(orders)))
    async with running(contender, servers, work) as process:
        seen = await measure(process, servers, size.waiting, at_most_s=size.turn_s, warm_up=size.warm_up)
    await require_complete(servers)
    return seen


async def require_complete(servers: Servers) -> None:
    """Raise AssertionError unless every handled event led to one other event, and none failed."""
    rows = await servers.rows()
    if rows.handled != rows.published or rows.failed:
        raise AssertionError(f"the durable work is incomplete: {rows}")


async def _compare(servers: Servers, size: Size, work: Work, contenders: list[Contender]) -> Figure:
    async def of(contender: Contender) -> Turn:
        return await turn(contender, servers, work, size)

    return await rounds(contenders, of, unit="events/s", number=size.rounds)
