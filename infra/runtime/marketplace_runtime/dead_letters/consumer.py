"""Consumes the service's dead-letter queue and stores the dead letters in its table."""

import asyncio
from collections import deque

from marketplace_runtime.amqp import IncomingMessage, decode_dead_letter
from marketplace_runtime.database import Database, is_transient
from marketplace_runtime.dead_letters import table as dead_letters
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

PREFETCH = 20
"""Maximum number of unacknowledged messages. Low, since a dead letter can be as large as the broker allows."""
RETRY_PAUSE_S = 1.0


class DeadLetterConsumer:
    """Stores each message that is passed to `receive` as a dead letter, then acknowledges it."""

    def __init__(self, service: str, database: Database) -> None:
        self._service, self._database = service, database
        self._waiting: deque[IncomingMessage] = deque()
        self._arrived = asyncio.Event()

    def receive(self, message: IncomingMessage) -> None:
        self._waiting.append(message)
        self._arrived.set()

    async def run(self) -> None:
        """Store dead letters until cancelled. While the database is unavailable, they stay in the queue."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                message = self._waiting[0]
                if message.source.is_lost:
                    self._waiting.popleft()
                    continue
                try:
                    async with self._database.transaction() as tx:
                        await dead_letters.store(
                            tx, [decode_dead_letter(message.properties, message.body, self._service)]
                        )
                except Exception as error:
                    if not is_transient(error):
                        raise
                    log.warning("dead letters wait: database unavailable, in conflict or too slow", error=repr(error))
                    await asyncio.sleep(RETRY_PAUSE_S)
                    continue
                self._waiting.popleft()
                await message.acknowledge()
