"""A webhook endpoint: a real HTTP server that a test controls and that records its requests."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook

from tests.integration.delivery.running import until


@dataclass
class Receiver:
    """Answers `status` to requests signed with `secret`."""

    url: str = ""
    secret: str = ""
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    meanwhile: Callable[[], Awaitable[None]] | None = None
    """Runs between a request and its answer."""
    attempts: list[str] = field(default_factory=list)
    """The `webhook-id` of each request, including refused ones."""
    accepted: dict[str, Any] = field(default_factory=dict)
    """The accepted events, by id."""
    forged: list[str] = field(default_factory=list)
    runner: web.AppRunner | None = None
    port: int = 0

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self.runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}/hook"

    async def stop(self) -> None:
        if self.runner is not None:
            await self.runner.cleanup()
            self.runner = None

    async def until_accepted(self, *ids: object, within_s: float = 30) -> None:
        async def there() -> bool:
            return {str(id) for id in ids} <= self.accepted.keys()

        await until(there, within_s)

    async def until_requested(self, id: object, times: int = 1) -> None:
        async def often() -> bool:
            return self.attempts.count(str(id)) >= times

        await until(often)

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        id = request.headers["webhook-id"]
        try:
            event = Webhook(self.secret).verify(body, dict(request.headers))
        except Exception:
            self.forged.append(id)
            raise
        self.attempts.append(id)
        if self.meanwhile is not None:
            await self.meanwhile()
        if 200 <= self.status < 300:
            self.accepted[id] = event
        return web.Response(status=self.status, headers={"Location": self.url, **self.headers})


@asynccontextmanager
async def a_receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    try:
        yield receiver
    finally:
        await receiver.stop()
