"""Sends requests one after another while a block runs, and records how each ended."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

Send = Callable[[], Awaitable[tuple[int, str]]]
"""Sends one request, and returns status and text of the answer."""


@dataclass(frozen=True)
class Sent:
    """One request. Times are monotonic, in seconds."""

    kind: str
    began: float
    took_s: float
    status: int
    """0: there was no answer."""
    text: str


@dataclass
class Load:
    """All requests that have ended so far."""

    sent: list[Sent] = field(default_factory=list)

    @property
    def failed(self) -> list[Sent]:
        return [each for each in self.sent if not 200 <= each.status < 300]

    def texts_since(self, moment: float) -> set[str]:
        """Return the different answers to requests that began after `moment`."""
        return {each.text for each in self.sent if each.began > moment}

    def require_no_failure(self, at_least: int) -> None:
        """Assert that no request failed, and that there were enough of each kind."""
        assert not self.failed, f"{len(self.failed)} of {len(self.sent)} failed: {self.failed[:5]}"
        counts = {kind: sum(each.kind == kind for each in self.sent) for kind in {each.kind for each in self.sent}}
        assert counts, "no request was sent"
        assert min(counts.values()) >= at_least, counts


@asynccontextmanager
async def steady_load(kinds: Mapping[str, Send], *, pause_s: float = 0.01) -> AsyncIterator[Load]:
    """Send requests of each kind one after another while the block runs. At its end, wait for those under way."""
    load, stopped = Load(), asyncio.Event()

    async def send_repeatedly(kind: str, send: Send) -> None:
        while not stopped.is_set():
            began = time.monotonic()
            try:
                status, text = await send()
            except (OSError, aiohttp.ClientError) as error:  # includes TimeoutError
                status, text = 0, repr(error)
            load.sent.append(Sent(kind, began, time.monotonic() - began, status, text))
            await asyncio.sleep(pause_s)

    async with asyncio.TaskGroup() as group:
        for kind, send in kinds.items():
            group.create_task(send_repeatedly(kind, send))
        try:
            yield load
        finally:
            stopped.set()
