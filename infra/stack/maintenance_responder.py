"""Answers HTTP requests to a service of which no replica listens: 503 with Retry-After, as a load balancer does."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterable

from infra.stack.readiness import is_listening

POLL_S = 0.05
REQUEST_WITHIN_S = 5.0
RETRY_AFTER_S = 1
CHUNK = 64 * 1024


class MaintenanceResponder:
    """Answers at a service's port between `start_listening` and `stop_listening`.

    Replicas can bind the same port (SO_REUSEPORT).
    """

    def __init__(self, service: str, port: int) -> None:
        self._port = port
        self._answer = _unavailable(service)
        self._listening: asyncio.Server | None = None

    async def answer_while_unserved(
        self, is_served: Callable[[], bool], ops_ports: Callable[[], Iterable[int]], status_changed: asyncio.Condition
    ) -> None:
        """Answer requests whenever no replica can, until this is cancelled.

        That is the case while `is_served()` is false, and nothing listens at the `ops_ports` of the replicas.
        `status_changed` must be notified when the result of `is_served` changes.
        A replica that listens at its operations port, but is not ready, may still answer requests: it may be waiting
        for the broker, which a checkout does not need.
        """
        while True:
            if is_served():
                self.stop_listening()
                async with status_changed:
                    await status_changed.wait_for(lambda: not is_served())
            elif any([await is_listening(port) for port in ops_ports()]):
                self.stop_listening()
                await asyncio.sleep(POLL_S)
            else:
                await self.start_listening()
                await asyncio.sleep(0 if is_served() else POLL_S)  # a replica may have become ready meanwhile

    async def start_listening(self) -> None:
        """Start to listen, if it does not yet. If the port cannot be bound, the kernel refuses connections instead."""
        if self._listening is None:
            with contextlib.suppress(OSError):
                self._listening = await asyncio.start_server(
                    self._refuse, "127.0.0.1", self._port, reuse_address=True, reuse_port=True, limit=CHUNK
                )

    def stop_listening(self) -> None:
        """Stop listening. From now on replicas get all new connections."""
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
                    pass  # closing with unread input would send a reset, which may overtake the answer
        writer.close()


def _unavailable(service: str) -> bytes:
    body = json.dumps(
        {
            "type": "urn:problem:marketplace:unavailable",
            "title": "Not available right now",
            "status": 503,
            "detail": f"No replica of {service} is up. Try again later.",
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
