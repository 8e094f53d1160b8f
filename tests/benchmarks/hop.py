"""`hop` and `hop-update`: how many events per second one process gets through."""

from tests.benchmarks.contender import CELERY, FASTSTREAM, FLOOR, MARKETPLACE, Contender, Turn, running, watch
from tests.benchmarks.figures import Figure, rounds
from tests.benchmarks.size import Size
from tests.benchmarks.work import Work, events_of, order_ids
from tests.benchmarks.world import World


async def hop(world: World, size: Size) -> Figure:
    """One event in, inbox row, one inserted row, one event out, confirmed and acknowledged."""
    return await _compare(world, size, Work.INSERT, [MARKETPLACE, FLOOR, FASTSTREAM, CELERY])


async def hop_update(world: World, size: Size) -> Figure:
    """The same with a row that is loaded and changed."""
    return await _compare(world, size, Work.UPDATE, [MARKETPLACE, FLOOR])


async def turn(contender: Contender, world: World, work: Work, size: Size) -> Turn:
    """One contender's turn with everything waiting."""
    await world.reset()
    orders = order_ids(size.waiting)
    if work is Work.UPDATE:
        await world.add_orders(orders)
    await world.send(contender.encode(events_of(orders)))
    async with running(contender, world, work) as process:
        seen = await watch(process, world, size.waiting, at_most_s=size.turn_s, warm_up=size.warm_up)
    await require_complete(world)
    return seen


async def require_complete(world: World) -> None:
    """Raise unless every event that was handled led to one other, and none failed."""
    rows = await world.rows()
    if rows.handled != rows.said or rows.failed:
        raise AssertionError(f"the durable work was not done: {rows}")


async def _compare(world: World, size: Size, work: Work, contenders: list[Contender]) -> Figure:
    async def of(contender: Contender) -> Turn:
        return await turn(contender, world, work, size)

    return await rounds(contenders, of, unit="events/s", number=size.rounds)
