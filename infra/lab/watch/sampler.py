"""Samples all services and queues once a second. A part that does not answer leaves a gap, and delays no other."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from functools import partial
from types import TracebackType

import aiohttp

from infra.lab.watch.depths import TIMEOUT_S, UNAVAILABLE_ERRORS, Depths
from infra.lab.watch.figures import parse
from infra.lab.watch.samples import Samples
from infra.stack import Layout, read_state

INTERVAL_S = 1.0


async def take_sample(layout: Layout) -> Samples:
    """Take one sample of every part. It takes as long as the slowest answer."""
    sampler = Sampler(layout)
    async with sampler as samples:
        await sampler.wait_for_answers()
    return samples


class Sampler:
    """Takes samples in the background: `async with Sampler(layout) as samples:` fills `samples` while the block runs.

    `keep_s` is the number of seconds for which samples are kept. By default, all are kept.
    """

    def __init__(self, layout: Layout, keep_s: int | None = None) -> None:
        self._layout, self._keep_s = layout, keep_s
        self._samples = Samples()
        self._requests: dict[str, asyncio.Task[None]] = {}
        self._exit_stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Samples:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        http = await self._exit_stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        state = read_state(self._layout.state)
        depths = Depths(http, state.broker["management"], state.broker["amqp"], state.services)
        self._exit_stack.callback(depths.close)
        sampling = asyncio.create_task(self._sample_every_second(http, depths))
        self._exit_stack.push_async_callback(self._end, sampling)
        return self._samples

    async def wait_for_answers(self) -> None:
        """Return when every open request has been answered or has failed."""
        await asyncio.sleep(0)  # the sampling task starts its first requests
        await asyncio.gather(*self._requests.values(), return_exceptions=True)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._exit_stack.aclose()

    async def _sample_every_second(self, http: aiohttp.ClientSession, depths: Depths) -> None:
        while True:
            for service in read_state(self._layout.state).services.values():
                for replica, url in service.ops.items():
                    self._start_request(replica, partial(self._sample_replica, replica, http, url))
            self._start_request("broker", partial(self._sample_queues, depths))
            if self._keep_s:
                self._samples.drop_before(int(time.time()) - self._keep_s)
            await asyncio.sleep(INTERVAL_S - time.time() % INTERVAL_S)

    def _start_request(self, part: str, read: Callable[[int], Awaitable[None]]) -> None:
        if part not in self._requests:
            task = asyncio.create_task(self._run_request(read))
            self._requests[part] = task
            task.add_done_callback(lambda _: self._requests.pop(part, None))

    async def _run_request(self, read: Callable[[int], Awaitable[None]]) -> None:
        with contextlib.suppress(*UNAVAILABLE_ERRORS):
            await read(int(time.time()))

    async def _sample_replica(self, replica: str, http: aiohttp.ClientSession, url: str, second: int) -> None:
        async with http.get(f"{url}/metrics") as answer:
            answer.raise_for_status()
            self._samples.replicas[replica][second] = parse(await answer.text())

    async def _sample_queues(self, depths: Depths, second: int) -> None:
        found = await depths.read()
        if time.time() - second <= TIMEOUT_S + INTERVAL_S:  # else the answer is too late to describe that second
            self._samples.queues[second] = found

    async def _end(self, sampling: asyncio.Task[None]) -> None:
        tasks = [sampling, *self._requests.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
