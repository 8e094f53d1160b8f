"""What customers hear of a service of which no replica listens: 503 and when to ask again, as from a load balancer."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterable

from infra.stack.readiness import accepts

LOOK_S = 0.05
REQUEST_WITHIN_S = 5.0
RETRY_AFTER_S = 1
CHUNK = 64 * 1024


class MaintenanceResponder:
    """Answers at a service's port between `begin` and `end`. Replicas may bind the port beside it."""

    def __init__(self, service: str, port: int) -> None:
        self._port = port
        self._answer = _unavailable(service)
        self._listening: asyncio.Server | None = None

    async def cover(
        self, is_served: Callable[[], bool], own_ports: Callable[[], Iterable[int]], news: asyncio.Condition
    ) -> None:
        """Answer whenever the service is not served and nothing listens at a replica's own port; until cancelled.

        `news` is notified when `is_served` changes. A replica that listens is not ready yet, but may well answer: it
        waits for the broker, which a checkout does not need.
        """
        while True:
            if is_served():
                self.end()
                async with news:
                    await news.wait_for(lambda: not is_served())
            elif any([await accepts(port) for port in own_ports()]):
                self.end()
                await asyncio.sleep(LOOK_S)
            else:
                await self.begin()
                await asyncio.sleep(0 if is_served() else LOOK_S)

    async def begin(self) -> None:
        """Listen, unless it does so already. Where the port cannot be had, callers are refused by the kernel."""
        if self._listening is None:
            with contextlib.suppress(OSError):
                self._listening = await asyncio.start_server(
                    self._refuse, "127.0.0.1", self._port, reuse_address=True, reuse_port=True, limit=CHUNK
                )

    def end(self) -> None:
        """Listen no more: from now on every new connection is a replica's."""
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    async def _refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(REQUEST_WITHIN_S):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer)
                writer.write_eof()
                while await reader.read(CHUNK):
                    pass  # a close with something unread would be a reset, which may overtake the answer
        writer.close()


def _unavailable(service: str) -> bytes:
    body = json.dumps(
        {
            "type": "urn:problem:marketplace:unavailable",
            "title": "Not available right now",
            "status": 503,
            "detail": f"No replica of {service} is up; ask again later.",
        }
    )
    head = (
        "HTTP/1.1 503 Service Unavailable",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        f"Retry-After: {RETRY_AFTER_S}",
        "Connection: close",
    )
    return ("\r\n".join(head) + f"\r\n\r\n{body}").encode()
