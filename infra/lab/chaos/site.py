"""Gives faults access to a running stack: its supervisor, its HTTP APIs and its databases."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import asyncpg

from infra.lab.simulator import Shop
from infra.stack import Layout, LocalError, Message, StackState, read_state, send_request

REQUEST_TIMEOUT_S = 10.0


@dataclass
class Site:
    """A stack that is up, and the resources that faults hold while they last."""

    layout: Layout
    state: StackState
    http: aiohttp.ClientSession
    shop: Shop | None = None
    """The simulator's shop, while it sends traffic."""
    notes: dict[str, Any] = field(default_factory=dict)
    """By fault id: what the kind noted when the fault began, or since."""
    exit_stacks: dict[str, contextlib.AsyncExitStack] = field(default_factory=dict)
    """By fault id: resources that this process holds, and whose effect ends when they are released."""

    failures: dict[str, str] = field(default_factory=dict)
    """By fault id: the error of its background task."""

    @property
    def services(self) -> list[str]:
        """The names of the services."""
        return list(self.state.services)

    async def send_command(self, do: str, part: str) -> None:
        """Send the supervisor the command `do` for a part."""
        await send_request(self.layout.socket, {"do": do, "part": part})

    async def parts(self) -> dict[str, Message]:
        """Return the condition of every part, as the supervisor reports it."""
        parts: dict[str, Message] = (await send_request(self.layout.socket, {"do": "status"}))["parts"]
        return parts

    async def request(self, method: str, url: str, body: object = None, **headers: str) -> Any:
        """Send an HTTP request. Returns the JSON answer, None if empty. Raises `LocalError` on an error status."""
        async with self.http.request(method, url, json=body, headers=headers) as answer:
            if answer.status >= 400:
                where = url.rpartition("@")[2]
                raise LocalError(f"{method} {where}: {answer.status} {(await answer.text())[:300]}")
            return await answer.json(content_type=None) if answer.content_length != 0 else None

    @contextlib.asynccontextmanager
    async def database(self, part: str, role: str = "superuser") -> AsyncIterator[asyncpg.Connection]:
        """Connect to a service's database (`cart-db`) directly, not through the fault proxy.

        The session may write even if the server is read-only by default.
        """
        url = self.state.services[part.removesuffix("-db")].database[role]
        settings = {"default_transaction_read_only": "off", "application_name": "chaos"}
        connection = await asyncpg.connect(url, timeout=REQUEST_TIMEOUT_S, server_settings=settings)
        try:
            yield connection
        finally:
            await connection.close(timeout=2)

    def exit_stack_of(self, fault_id: str) -> contextlib.AsyncExitStack:
        """Return the exit stack of this fault. What is registered with it is released when the fault ends."""
        return self.exit_stacks.setdefault(fault_id, contextlib.AsyncExitStack())

    def run_in_background(self, fault_id: str, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` in the background until the fault ends. Its error, if any, is reported with the fault."""
        task = asyncio.create_task(work)

        async def end() -> None:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled() and (error := task.exception()) is not None:
                self.failures[fault_id] = f"its background task failed: {type(error).__name__}: {error}"

        self.exit_stack_of(fault_id).push_async_callback(end)

    async def release(self, fault_id: str) -> None:
        """Release what this process holds for the fault."""
        if held := self.exit_stacks.pop(fault_id, None):
            await held.aclose()


@contextlib.asynccontextmanager
async def open_site(layout: Layout) -> AsyncIterator[Site]:
    """Yield the site of a running stack. Whatever faults still hold is released at the end."""
    timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        site = Site(layout, read_state(layout.state), http)
        try:
            yield site
        finally:
            for fault_id in list(site.exit_stacks):
                await site.release(fault_id)
