"""Runs a round of one benchmark on each request: `python -m tests.benchmarks NAME --serve`.

It reads one line from standard input for each round, and answers with a line of JSON on standard output. Between rounds
it and its servers are idle. It ends, with its servers, when standard input is closed, even during a round.
"""

import asyncio
import json
import sys

from tests.benchmarks.comparable import COMPARABLE
from tests.benchmarks.figures import machine
from tests.benchmarks.servers import start_servers
from tests.benchmarks.size import Size


async def serve(name: str, size: Size) -> None:
    """Serve rounds of the benchmark until standard input is closed."""
    requests = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(requests), sys.stdin)
    waiting: asyncio.Queue[bytes] = asyncio.Queue()
    async with asyncio.TaskGroup() as group:
        answering = group.create_task(_answer(waiting, name, size))
        async for request in requests:
            waiting.put_nowait(request)
        answering.cancel()


async def _answer(waiting: asyncio.Queue[bytes], name: str, size: Size) -> None:
    benchmark = COMPARABLE[name]
    async with start_servers() as servers, benchmark.rounds(servers, size) as round:
        while True:
            await waiting.get()
            value = await round()
            if value <= 0:
                raise AssertionError(f"the round measured {value} {benchmark.unit}")
            await servers.reset()  # leave its servers idle while another tree is measured
            print(json.dumps({"value": value, "unit": benchmark.unit, "machine": machine()}), flush=True)
