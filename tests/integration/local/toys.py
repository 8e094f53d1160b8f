"""Observes and controls a running stack of toys, and sends requests through its gateway."""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import aiohttp

from infra.stack import Layout, read_state, send_request
from tests.integration.local.running_stack import parts
from tests.steady_load import Load, steady_load


@dataclass
class Toys:
    """A running stack of toys."""

    where: Layout
    http: aiohttp.ClientSession

    @property
    def gateway(self) -> str:
        return read_state(self.where.state).gateway["http"]

    async def order(self, do: str, part: str = "", **arguments: Any) -> dict[str, Any]:
        return await send_request(self.where.socket, {"do": do, "part": part, **arguments})

    async def pid(self, part: str) -> str:
        return str((await parts(self.where))[part]["pid"])

    async def get(self, path: str = "/catalog/1") -> tuple[int, str]:
        async with self.http.get(self.gateway + path) as answer:
            return answer.status, await answer.text()

    def load(self) -> AbstractAsyncContextManager[Load]:
        return steady_load({f"GET {number}": self.get for number in range(4)}, pause_s=0.005)

    async def replica(self, name: str) -> dict[str, Any]:
        """Return the registry's entry of one replica, or of none."""
        listed = (await self.order("discovery"))["replicas"]
        return next((dict(each) for each in listed if each["replica"] == name), {})

    async def until_seen_as(self, replica: str, view: str, within_s: float) -> None:
        """Wait until the gateway sees the replica like this."""
        async with asyncio.timeout(within_s):
            while (await self.replica(replica))["gateway"] != view:
                await asyncio.sleep(0.02)
