"""Runs a gateway in front of a toy upstream, and sends it requests."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from infra.stack.gateway import Configuration, Exposure, Gateway, GatewaySettings, find_envoy
from infra.stack.ports import Ports
from tests.integration.gateway.toy import AUDIENCE, ROUTES, Echo, ToyIssuer
from tests.system.marketplace import until

PREFIX = "urn:problem:toy:"
ANSWERED_WITHIN_S, KEYS_WITHIN_S = 20, 10
PROBLEM = "application/problem+json"
UNLIMITED = GatewaySettings(user_rate=100_000, user_burst=100_000, address_rate=100_000, address_burst=100_000)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def seen(self) -> dict[str, str]:
        """The headers that the upstream received."""
        return dict(self.json["headers"])

    def is_problem(self, status: int, slug: str) -> None:
        """Assert that this is a problem document of the gateway."""
        assert (self.status, self.headers.get("Content-Type")) == (status, PROBLEM), (self.status, self.raw)
        assert (self.json["status"], self.json["type"]) == (status, PREFIX + slug)
        assert {"title", "detail"} < self.json.keys()
        assert self.headers["Cache-Control"] == "no-store"


@dataclass(frozen=True)
class Running:
    """A gateway that takes requests, and what is around it."""

    configuration: Configuration
    gateway: Gateway
    echo: Echo
    issuer: ToyIssuer

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.configuration.http_port}"

    async def request(
        self, method: str, path: str, token: str | None = None, *, source: str = "127.0.0.1", **options: Any
    ) -> Answer:
        """Send one request in a connection of its own, from the loopback address `source`."""
        if token is not None:
            options["headers"] = {**options.get("headers", {}), "Authorization": f"Bearer {token}"}
        connector = aiohttp.TCPConnector(local_addr=(source, 0))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.request(method, URL(self.http + path, encoded=True), **options) as response,
        ):
            return Answer(response.status, response.headers, await response.read())

    async def send(self, data: bytes) -> Answer:
        """Send bytes as they are, and return the first answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.configuration.http_port)
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                writer.write(data)
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                lines = head.strip().split("\r\n")
                headers = CIMultiDict(line.split(": ", 1) for line in lines[1:])
                body = await reader.readexactly(int(headers["Content-Length"]))
                return Answer(int(lines[0].split()[1]), headers, body)
        finally:
            writer.close()

    async def wait_for_keys(self) -> None:
        """Wait until the gateway has fetched the issuer's keys."""
        await until(lambda: self.accepts(self.issuer.token("nobody")), KEYS_WITHIN_S)

    async def accepts(self, token: str) -> bool:
        """Return whether the gateway accepts a token."""
        return (await self.request("GET", "/mine", token)).status == 200


@asynccontextmanager
async def running_gateway(
    directory: Path, settings: GatewaySettings = UNLIMITED, *, issuer_is_down: bool = False
) -> AsyncIterator[Running]:
    """Run a gateway until the end of the block."""
    ports = Ports()
    async with AsyncExitStack() as stack:
        stack.callback(ports.release)
        issuer = ToyIssuer(f"http://127.0.0.1:{ports.of('issuer')}/identity", is_down=issuer_is_down)
        echo = Echo()
        for name, handler in (("issuer", issuer.handle), ("echo", echo.handle)):
            await _serve(stack, ports.of(name), handler)
        configuration = Configuration(
            directory=directory,
            stack="toy",
            settings=settings,
            issuer=issuer.url,
            http_port=ports.of("http"),
            tls_port=ports.of("tls"),
            admin_port=ports.of("admin"),
        )
        exposure = Exposure(PREFIX, AUDIENCE, ["toy", "absent"], ROUTES)
        replicas = {"toy": [ports.of("echo")], "absent": []}
        gateway = await stack.enter_async_context(launched(configuration, exposure, replicas))
        yield Running(configuration, gateway, echo, issuer)


@asynccontextmanager
async def launched(
    configuration: Configuration, exposure: Exposure, replicas: Mapping[str, Sequence[int]]
) -> AsyncIterator[Gateway]:
    """Run Envoy with this configuration until the end of the block. `replicas` are the ports of each service."""

    async def read_exposure() -> Exposure:
        return exposure

    for service, ports in replicas.items():
        configuration.write_replicas(service, ports)
    gateway = Gateway(find_envoy(), configuration, read_exposure, configuration.directory / "gateway.log")
    running = await gateway.launch()
    try:
        await gateway.wait_until_ready(running)
        yield gateway
    finally:
        await running.stop()  # which also completes its log


async def _serve(stack: AsyncExitStack, port: int, handler: Any) -> None:
    runner = web.ServerRunner(web.Server(handler, access_log=None))
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", port, reuse_port=True).start()
