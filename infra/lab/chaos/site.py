"""Where faults happen: one running stack, and the doors by which a fault comes in."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import asyncpg

from infra.lab.simulator import Shop
from infra.stack import Layout, LocalError, Message, StackState, ask_once, read_state

ANSWER_WITHIN_S = 10.0


@dataclass
class Site:
    """A stack that is up. What a fault holds while it lasts is kept here, and let go of at its end."""

    layout: Layout
    state: StackState
    http: aiohttp.ClientSession
    shop: Shop | None = None
    """The simulator's, while it sends traffic."""
    notes: dict[str, Any] = field(default_factory=dict)
    """By fault: what its kind saw when it began."""
    holds: dict[str, contextlib.AsyncExitStack] = field(default_factory=dict)
    """By fault: what is in effect only as long as we hold it."""

    failures: dict[str, str] = field(default_factory=dict)
    """By fault: what went wrong in the background while it was in effect."""

    @property
    def services(self) -> list[str]:
        """The services' names."""
        return list(self.state.services)

    async def order(self, do: str, part: str) -> None:
        """Have the supervisor do something to a part."""
        await ask_once(self.layout.socket, {"do": do, "part": part})

    async def parts(self) -> dict[str, Message]:
        """Every part's condition, by the supervisor's word."""
        parts: dict[str, Message] = (await ask_once(self.layout.socket, {"do": "status"}))["parts"]
        return parts

    async def ask(self, method: str, url: str, body: object = None, **headers: str) -> Any:
        """The JSON of an answer; None for an empty one. Raises `LocalError` if it is an error."""
        async with self.http.request(method, url, json=body, headers=headers) as answer:
            if answer.status >= 400:
                where = url.rpartition("@")[2]
                raise LocalError(f"{method} {where}: {answer.status} {(await answer.text())[:300]}")
            return await answer.json(content_type=None) if answer.content_length != 0 else None

    @contextlib.asynccontextmanager
    async def database(self, part: str, role: str = "superuser") -> AsyncIterator[asyncpg.Connection]:
        """A connection to a service's database (`cart-db`), by no link; it may write even where writing is off."""
        url = self.state.services[part.removesuffix("-db")].database[role]
        settings = {"default_transaction_read_only": "off", "application_name": "chaos"}
        connection = await asyncpg.connect(url, timeout=ANSWER_WITHIN_S, server_settings=settings)
        try:
            yield connection
        finally:
            await connection.close(timeout=2)

    def hold(self, fault_id: str) -> contextlib.AsyncExitStack:
        """What to register a thing with that is to end with this fault."""
        return self.holds.setdefault(fault_id, contextlib.AsyncExitStack())

    def beside(self, fault_id: str, work: Coroutine[Any, Any, None]) -> None:
        """Do this until the fault ends. What it fails with is reported with the fault."""
        task = asyncio.create_task(work)

        async def end() -> None:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled() and (error := task.exception()) is not None:
                self.failures[fault_id] = f"what ran beside it failed: {type(error).__name__}: {error}"

        self.hold(fault_id).push_async_callback(end)

    async def let_go(self, fault_id: str) -> None:
        """End what we hold for this fault."""
        if held := self.holds.pop(fault_id, None):
            await held.aclose()


@contextlib.asynccontextmanager
async def visit(layout: Layout) -> AsyncIterator[Site]:
    """The site of a stack; whatever is still held is let go of at the end."""
    timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        site = Site(layout, read_state(layout.state), http)
        try:
            yield site
        finally:
            for fault_id in list(site.holds):
                await site.let_go(fault_id)
