"""`latency`: the time from publishing one event to receiving the event that it leads to."""

import asyncio
import statistics
import time

import aiormq
from aiormq.abc import DeliveredMessage

from tests.benchmarks.contender import FASTSTREAM, FLOOR, MARKETPLACE, Contender, running
from tests.benchmarks.figures import Figure, figure, note
from tests.benchmarks.servers import Servers
from tests.benchmarks.size import Size
from tests.benchmarks.work import OUTGOING, Work, events_of, order_ids

WARM_UP = 30


async def latency(servers: Servers, size: Size) -> Figure:
    """One event at a time, from publishing it to receiving the outgoing event."""
    contenders = [MARKETPLACE, FLOOR, FASTSTREAM]
    medians: dict[str, list[float]] = {each.name: [] for each in contenders}
    tails: dict[str, list[float]] = {each.name: [] for each in contenders}
    for round in range(size.rounds):
        for contender in contenders if round % 2 == 0 else contenders[::-1]:
            waits = await turn(contender, servers, size.lone)
            cuts = statistics.quantiles(waits, n=100)
            medians[contender.name].append(cuts[49])
            tails[contender.name].append(cuts[98])
            note(f"round {round + 1}: {contender.name} p50 {cuts[49]:.2f} ms, p99 {cuts[98]:.2f} ms")
    return figure("ms (p50)", medians, {"p99_ms": tails})


async def turn(contender: Contender, servers: Servers, number: int) -> list[float]:
    """Return the milliseconds of each event except the first `WARM_UP`."""
    await servers.reset()
    arrived: asyncio.Queue[float] = asyncio.Queue()

    async def on_message(_: DeliveredMessage) -> None:
        arrived.put_nowait(time.perf_counter())

    waits = []
    listening = await aiormq.connect(servers.broker.amqp)
    try:
        channel = await listening.channel(publisher_confirms=False)
        async with running(contender, servers, Work.INSERT):
            await channel.basic_consume(OUTGOING, on_message, no_ack=True)
            for message in contender.encode(events_of(order_ids(WARM_UP + number))):
                began = time.perf_counter()
                await servers.send([message])
                async with asyncio.timeout(20):
                    waits.append((await arrived.get() - began) * 1000)
    finally:
        await listening.close()
    return waits[WARM_UP:]
