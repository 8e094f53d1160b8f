"""Reads the number of ready messages of each queue over AMQP, because the management API lags 5 s behind."""

import asyncio
import contextlib
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

UNAVAILABLE_ERRORS = (AMQPError, aiohttp.ClientError, OSError, TimeoutError, ValueError)
"""Errors of a request to a broker or service that is unreachable, or that answers with an error."""
TIMEOUT_S = 2
HEARTBEAT_S = 2


class Depths:
    """Reads the queue depths of some services. It keeps its connection, and reconnects after a failure."""

    def __init__(self, http: aiohttp.ClientSession, management: str, amqp: str, services: Collection[str]) -> None:
        self._http, self._management, self._services = http, management, services
        self._parameters = pika.URLParameters(amqp)
        self._parameters.heartbeat = HEARTBEAT_S
        self._parameters.socket_timeout = self._parameters.stack_timeout = TIMEOUT_S
        self._thread = ThreadPoolExecutor(1, "depths")  # the AMQP client is blocking, and not thread-safe
        self._names: list[str] = []
        self._channel: BlockingChannel | None = None

    async def read(self) -> Mapping[str, int]:
        """Return the ready messages by queue. Raises one of `UNAVAILABLE_ERRORS`, also if the broker hangs."""
        try:
            self._names = self._names or await self._list()
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._count, self._names)
        except UNAVAILABLE_ERRORS:
            self._names = []
            raise

    def close(self) -> None:
        """Close the connection in the background, without waiting for a broker that hangs."""
        self._thread.submit(self._disconnect)
        self._thread.shutdown(wait=False)

    async def _list(self) -> list[str]:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with self._http.get(f"{self._management}/api/queues?columns=name", timeout=timeout) as answer:
            answer.raise_for_status()
            names = [each["name"] for each in await answer.json()]
        return [name for name in names if name.partition(".")[0] in self._services]

    def _count(self, names: Sequence[str]) -> dict[str, int]:
        try:
            if self._channel is None:
                self._channel = pika.BlockingConnection(self._parameters).channel()
            return {name: self._channel.queue_declare(name, passive=True).method.message_count for name in names}
        except BaseException:
            self._disconnect()
            raise

    def _disconnect(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            with contextlib.suppress(AMQPError, OSError):
                channel.connection.close()
