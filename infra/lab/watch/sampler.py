"""Samples all services and queues once a second. A part that does not answer leaves a gap, and delays no other."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from functools import partial
from types import TracebackType

import aiohttp

from infra.lab.watch.depths import AWAY, WITHIN_S, Depths
from infra.lab.watch.figures import parse
from infra.lab.watch.samples import Samples
from infra.stack import Layout, read_state

EVERY_S = 1.0


async def look(where: Layout) -> Samples:
    """Take one sample of every part. It takes as long as the slowest answer."""
    sampler = Sampler(where)
    async with sampler as samples:
        await sampler.answered()
    return samples


class Sampler:
    """Takes samples in the background: `async with Sampler(layout) as samples:` fills `samples` while the block runs.

    `keep_s` is the number of seconds for which samples are kept. By default, all are kept.
    """

    def __init__(self, where: Layout, keep_s: int | None = None) -> None:
        self._where, self._keep_s = where, keep_s
        self._samples = Samples()
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Samples:
        timeout = aiohttp.ClientTimeout(total=WITHIN_S)
        http = await self._stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        state = read_state(self._where.state)
        depths = Depths(http, state.broker["management"], state.broker["amqp"], state.services)
        self._stack.callback(depths.close)
        rounds = asyncio.create_task(self._rounds(http, depths))
        self._stack.push_async_callback(self._end, rounds)
        return self._samples

    async def answered(self) -> None:
        """Return when every open request has been answered or has failed."""
        await asyncio.sleep(0)
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _rounds(self, http: aiohttp.ClientSession, depths: Depths) -> None:
        while True:
            for service in read_state(self._where.state).services.values():
                for replica, url in service.ops.items():
                    self._ask(replica, partial(self._look_at, replica, http, url))
            self._ask("broker", partial(self._look_at_queues, depths))
            if self._keep_s:
                self._samples.forget_before(int(time.time()) - self._keep_s)
            await asyncio.sleep(EVERY_S - time.time() % EVERY_S)

    def _ask(self, whom: str, question: Callable[[int], Awaitable[None]]) -> None:
        if whom not in self._asking:
            asking = asyncio.create_task(self._put(question))
            self._asking[whom] = asking
            asking.add_done_callback(lambda _: self._asking.pop(whom, None))

    async def _put(self, question: Callable[[int], Awaitable[None]]) -> None:
        with contextlib.suppress(*AWAY):
            await question(int(time.time()))

    async def _look_at(self, replica: str, http: aiohttp.ClientSession, url: str, second: int) -> None:
        async with http.get(f"{url}/metrics") as answer:
            answer.raise_for_status()
            self._samples.replicas[replica][second] = parse(await answer.text())

    async def _look_at_queues(self, depths: Depths, second: int) -> None:
        found = await depths.read()
        if time.time() - second <= WITHIN_S + EVERY_S:  # else the answer is too late to describe that second
            self._samples.queues[second] = found

    async def _end(self, rounds: asyncio.Task[None]) -> None:
        tasks = [rounds, *self._asking.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
