"""An HTTP server that records the Request-Timeout of each request, and answers or hangs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Callee:
    url: str = ""
    answering: asyncio.Event = field(default_factory=asyncio.Event)
    told_s: list[float] = field(default_factory=list)
    """The Request-Timeout of each request."""

    async def answer(self, request: web.Request) -> web.Response:
        self.told_s.append(float(request.headers["Request-Timeout"]))
        await self.answering.wait()
        return web.json_response({"tracking_code": "T-1"}, status=201)


@asynccontextmanager
async def a_callee() -> AsyncIterator[Callee]:
    callee = Callee()
    app = web.Application()
    app.router.add_post("/{path:.*}", callee.answer)
    runner = web.AppRunner(app, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    callee.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield callee
    await runner.cleanup()
