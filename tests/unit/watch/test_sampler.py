"""A replica that hangs or is down leaves a gap in the samples, and does not delay the others."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from infra.lab.watch import Sampler, take_sample
from infra.lab.watch.depths import TIMEOUT_S
from infra.stack import Layout, StackState
from infra.stack.state import ServiceState
from marketplace_runtime.telemetry import exposition

Handler = Callable[[web.Request], Awaitable[web.Response]]


@asynccontextmanager
async def serving(answer: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/metrics", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield site.name
    finally:
        await runner.cleanup()


async def answer_metrics(_: web.Request) -> web.Response:
    return web.Response(body=exposition())


@asynccontextmanager
async def hanging() -> AsyncIterator[str]:
    """Run a server that accepts connections and sends nothing. Yields its URL."""
    connections: set[asyncio.StreamWriter] = set()
    server = await asyncio.start_server(lambda _, writer: connections.add(writer), "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in connections:
            writer.close()


async def answer_invalid_metrics(_: web.Request) -> web.Response:
    return web.Response(text="outbox_pending what?")


def an_unused_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@asynccontextmanager
async def a_stack(home: Path) -> AsyncIterator[Layout]:
    """Run a stack: one service answers, one hangs, one sends invalid metrics, and one is down, as is the broker."""
    unused = f"127.0.0.1:{an_unused_port()}"
    async with serving(answer_metrics) as cart, hanging() as checkout, serving(answer_invalid_metrics) as delivery:
        at = {"cart": cart, "checkout": checkout, "delivery": delivery, "catalog": f"http://{unused}"}
        services = {name: ServiceState("", {f"{name}.1": url}, {}) for name, url in at.items()}
        broker = {"amqp": f"amqp://a:b@{unused}/", "management": f"http://a:b@{unused}"}
        where = Layout("s", home)
        StackState("s", services, broker).write(where.state)
        yield where


async def test_a_hanging_part_delays_no_other(tmp_path: Path) -> None:
    async with a_stack(tmp_path) as where, asyncio.timeout(10):
        async with Sampler(where) as samples:
            while len(samples.replicas["cart.1"]) < 3:
                await asyncio.sleep(0.05)
            seconds = list(samples.replicas["cart.1"])
        assert seconds[2] - seconds[0] < 2 * TIMEOUT_S  # the time it takes if each round waits for hanging parts
        assert not any(samples.replicas[f"{name}.1"] for name in ("checkout", "delivery", "catalog"))
        assert samples.queues == {}


async def test_a_single_sample_has_a_time_limit(tmp_path: Path) -> None:
    async with a_stack(tmp_path) as where:
        began = time.monotonic()
        samples = await take_sample(where)
        assert time.monotonic() - began < 5
        assert samples.latest("cart", int(time.time())) is not None
        assert samples.latest("checkout", int(time.time())) is None
