"""Whoever hangs or is away leaves a gap, and nobody waits for him."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from infra.lab.watch import Sampler, look
from infra.lab.watch.depths import WITHIN_S
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


async def well(_: web.Request) -> web.Response:
    return web.Response(body=exposition())


@asynccontextmanager
async def hanging() -> AsyncIterator[str]:
    """It takes connections, and says nothing."""
    talking: set[asyncio.StreamWriter] = set()
    server = await asyncio.start_server(lambda _, writer: talking.add(writer), "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in talking:
            writer.close()


async def mad(_: web.Request) -> web.Response:
    return web.Response(text="outbox_pending what?")


def a_port_of_nobody() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@asynccontextmanager
async def a_stack(home: Path) -> AsyncIterator[Layout]:
    """One service is well, one hangs, one talks rubbish, and one is away with the broker."""
    nobody = f"127.0.0.1:{a_port_of_nobody()}"
    async with serving(well) as cart, hanging() as checkout, serving(mad) as delivery:
        at = {"cart": cart, "checkout": checkout, "delivery": delivery, "catalog": f"http://{nobody}"}
        services = {name: ServiceState("", {f"{name}.1": url}, {}) for name, url in at.items()}
        broker = {"amqp": f"amqp://a:b@{nobody}/", "management": f"http://a:b@{nobody}"}
        where = Layout("s", home)
        StackState("s", services, broker).write(where.state)
        yield where


async def test_a_part_that_hangs_holds_up_nobody(tmp_path: Path) -> None:
    async with a_stack(tmp_path) as where, asyncio.timeout(10):
        async with Sampler(where) as samples:
            while len(samples.replicas["cart.1"]) < 3:
                await asyncio.sleep(0.05)
            seconds = list(samples.replicas["cart.1"])
        assert seconds[2] - seconds[0] < 2 * WITHIN_S  # what it takes if each round waits for the hanging parts
        assert not any(samples.replicas[f"{name}.1"] for name in ("checkout", "delivery", "catalog"))
        assert samples.queues == {}


async def test_a_single_look_waits_for_no_one_for_long(tmp_path: Path) -> None:
    async with a_stack(tmp_path) as where:
        began = time.monotonic()
        samples = await look(where)
        assert time.monotonic() - began < 5
        assert samples.latest("cart", int(time.time())) is not None
        assert samples.latest("checkout", int(time.time())) is None
