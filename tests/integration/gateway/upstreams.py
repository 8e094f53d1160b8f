"""Runs a real gateway in front of toy replicas, which tests make fail."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from infra.stack.gateway import Admin, Configuration, Exposure, GatewaySettings
from infra.stack.gateway.exposure import ExposedRoute
from tests.integration.gateway.running import launched
from tests.integration.outside.outside_process import free_port

Behaviour = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


async def succeed(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text="ok")


async def answer_503(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(status=503, headers={"Retry-After": "7"}, text="busy")


async def reset(request: web.BaseRequest) -> web.StreamResponse:
    """Read the request, and close the connection without an answer."""
    assert request.transport
    request.transport.abort()
    return web.Response()


async def hang(request: web.BaseRequest) -> web.StreamResponse:
    """Never answer: the replica ends first."""
    await asyncio.Event().wait()
    return web.Response()


@dataclass
class Upstream:
    """A replica. It always passes the health check, and treats other requests as `behaviour` says."""

    behaviour: Behaviour = succeed
    port: int = 0
    seen: list[Mapping[str, str]] = field(default_factory=list)
    """The headers of every request."""
    _handling: set[asyncio.Task[web.StreamResponse]] = field(default_factory=set)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/readyz":
            return web.Response()
        self.seen.append(request.headers)
        task = asyncio.ensure_future(self.behaviour(request))
        self._handling.add(task)
        try:
            await asyncio.wait({task})
        finally:
            self._handling.discard(task)
        return web.Response(status=500) if task.cancelled() else task.result()

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[None]:
        """Listen while the block runs, always on the same port. Afterwards connections are refused."""
        runner = web.ServerRunner(web.Server(self.handle, access_log=None), shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = runner.addresses[0][1]
        try:
            yield
        finally:
            for task in self._handling:
                task.cancel()
            await runner.cleanup()


@dataclass
class Front:
    """A running gateway with some services, each exposed at `/{service}/{id}`."""

    configuration: Configuration
    admin: Admin
    http: aiohttp.ClientSession

    @asynccontextmanager
    async def replicas(self, service: str, *upstreams: Upstream) -> AsyncIterator[None]:
        """Run these replicas of a service, and wait until the gateway uses them."""
        async with AsyncExitStack() as stack:
            for upstream in upstreams:
                await stack.enter_async_context(upstream.listen())
            self.use(service, *upstreams)
            for upstream in upstreams:
                await self.until_seen_as(upstream, "healthy", 5)
            yield

    def use(self, service: str, *upstreams: Upstream) -> None:
        self.configuration.write_replicas(service, [each.port for each in upstreams])

    async def send(self, service: str, method: str = "GET", **headers: str) -> tuple[int, Mapping[str, str], str]:
        url = f"http://127.0.0.1:{self.configuration.http_port}/{service}/1"
        async with self.http.request(method, url, headers=headers) as answer:
            return answer.status, answer.headers, await answer.text()

    async def view(self, upstream: Upstream) -> str:
        """Return how the gateway sees a replica: `healthy`, `unhealthy` or `ejected`."""
        return (await self.admin.health_by_address()).get(f"127.0.0.1:{upstream.port}", "absent")

    async def until_seen_as(self, upstream: Upstream, view: str, within_s: float) -> None:
        async with asyncio.timeout(within_s):
            while await self.view(upstream) != view:
                await asyncio.sleep(0.02)


@asynccontextmanager
async def gateway(directory: Path, services: Sequence[str]) -> AsyncIterator[Front]:
    """Run a gateway while the block runs."""
    unlimited = GatewaySettings(address_rate=1_000_000, address_burst=1_000_000)
    issuer = "http://127.0.0.1:9/identity"
    configuration = Configuration(directory, "toy", unlimited, issuer, free_port(), free_port(), free_port())
    routes = [
        ExposedRoute(method, f"/{service}/{{id}}", service, False, None, 1)
        for service in services
        for method in ("GET", "PUT", "POST")
    ]
    exposure = Exposure("urn:problem:toy:", "toy", services, routes)
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        launched(configuration, exposure, {service: [] for service in services}),
        aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=20)) as http,
    ):
        yield Front(configuration, Admin(configuration.admin_port), http)
