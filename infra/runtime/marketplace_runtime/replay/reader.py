"""Runs one replay: events go from the log through the same worker as live ones, in order and at a limited rate."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from marketplace_runtime.amqp import (
    CLOUDEVENTS_PREFIX,
    ChannelRefused,
    Connection,
    ConnectionLost,
    IncomingMessage,
    LoggedMessage,
    LogReader,
    OffsetSpec,
    last_message,
    open_channel,
    open_log_reader,
    translate_channel_errors,
)
from marketplace_runtime.consumer import (
    SUSPECT_AFTER_DEATHS,
    Delivery,
    UnreadableMessage,
    Worker,
    acknowledge,
    decode_message,
    inbox,
)
from marketplace_runtime.database import Transaction, time_of
from marketplace_runtime.replay import table
from marketplace_runtime.replay.table import Progress, Replay
from marketplace_runtime.replay.window import ReplayWindow
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

MAX_SCANNED_MESSAGES = 2000
"""Maximum number of messages that are read before the progress is stored, if few of them are for the subscription."""
NEXT_MESSAGE_TIMEOUT_S, FIRST_MESSAGE_TIMEOUT_S = 0.05, 5.0
REFUSED_PAUSE_S = 3.0
MAX_CONSUMER_WAIT_S, CONSUMER_POLL_S = 10.0, 0.1
LOG_DATA_LOST = (
    "the log ends earlier than when the replay began: the broker lost its data. Run `republish`, then replay again"
)


@dataclass
class Chunk:
    """Holds the result of one read from the log."""

    deliveries: list[Delivery] = field(default_factory=list)
    scanned: int = 0
    refused: int = 0
    too_old: int = 0


class ReplayReader:
    """Reads the log from the replay's current place to its end. Only one process at a time runs it."""

    def __init__(
        self, replay: Replay, worker: Worker, *, queue: str, stream: str, rate: int, stop: asyncio.Event
    ) -> None:
        self._replay, self._worker, self._queue, self._stop = replay, worker, queue, stop
        self._stream = stream
        self._rate = replay.rate or rate
        # At the replay's rate, a chunk takes a quarter of a second at most, unless it has only one event.
        self._chunk_size = max(1, min(worker.subscription.batch, self._rate // 4))
        self._next_offset, self._first_offset, self._last_offset = replay.next, replay.begun, replay.through
        # If too many processes died during this replay, messages that they may have handled are suspected as poison.
        self._suspect_through = replay.reached if replay.deaths >= SUSPECT_AFTER_DEATHS else -1
        self._window = ReplayWindow()
        self._next_chunk_at = 0.0

    async def run(self, connection: Connection) -> None:
        """Run the replay until its end, or until it is stopped or belongs to another process.

        Raises the errors of a lost connection.
        """
        self._window = ReplayWindow()
        try:
            if self._replay.holds:  # live events wait in their queue until the replay has ended
                await self._wait_until_not_consumed(connection)
            if await self._begin(connection):
                async with open_log_reader(connection, self._stream, self._place) as messages:
                    while not self._stop.is_set() and await self._replay_chunk(connection, messages):
                        pass
            if self._stop.is_set():
                await self._window.wait_for_acknowledgements(0)
                await self._store_progress()
        except ChannelRefused as error:
            log.error("the log can't be read: is the topology applied?", replay_to=self._queue, error=repr(error))
            await self._store_progress(why="the log can't be read: ./marketplace topology apply")
            await asyncio.sleep(REFUSED_PAUSE_S)
            raise
        finally:
            self._window.is_lost = True
            self._next_offset = self._window.lowest_unacknowledged(self._next_offset)

    @property
    def _place(self) -> OffsetSpec:
        return self._next_offset if self._next_offset is not None else self._replay.since or "first"

    async def _begin(self, connection: Connection) -> bool:
        """Find out where the log ends now, and store it. Returns False if there is nothing to replay."""
        since = self._replay.since
        if self._last_offset is None:
            last = await last_message(connection, self._stream)
            self._last_offset = -1 if last is None else last.offset
            if last is None or (since is not None and _was_made_before(last, since)):
                return await self._end("done")
        if self._has_ended:
            return await self._end("done")
        return await self._store_progress()

    async def _replay_chunk(self, connection: Connection, messages: LogReader) -> bool:
        """Hand over one chunk. False if this process has nothing more to do."""
        chunk = await self._read_chunk(messages)
        if not chunk.scanned and not self._has_ended:
            return await self._handle_no_message(connection)
        fresh = await self._find_unhandled(chunk)
        if fresh is None:
            return False
        for delivery in fresh:
            self._worker.receive(delivery)
        if self._has_ended:
            return await self._end("done")
        await self._pace(len(chunk.deliveries))
        await self._window.wait_for_acknowledgements(self._worker.subscription.batch)
        return True

    @property
    def _has_ended(self) -> bool:
        return self._next_offset is not None and self._last_offset is not None and self._next_offset > self._last_offset

    async def _read_chunk(self, messages: LogReader) -> Chunk:
        chunk, last_offset = Chunk(), self._last_offset or 0
        while len(chunk.deliveries) < self._chunk_size and chunk.scanned < MAX_SCANNED_MESSAGES and not self._has_ended:
            message = await messages.next(NEXT_MESSAGE_TIMEOUT_S if chunk.scanned else FIRST_MESSAGE_TIMEOUT_S)
            if message is None:
                break
            chunk.scanned += 1
            self._first_offset = message.offset if self._first_offset is None else self._first_offset
            self._next_offset = message.offset + 1
            if message.offset <= last_offset and message.type in self._replay.types:
                self._add_message(message, chunk)
        return chunk

    def _add_message(self, message: LoggedMessage, chunk: Chunk) -> None:
        received = IncomingMessage(message.body, message.properties, message.offset, self._window, replayed=True)
        found = decode_message(received, self._worker.subscription)
        if isinstance(found, UnreadableMessage):
            chunk.too_old += found.why.reason == "too-old"
            chunk.refused += found.why.reason != "too-old"
        elif found.envelope.type in self._replay.types:  # `message.type` is only the routing key
            found.is_suspect = message.offset <= self._suspect_through
            chunk.deliveries.append(found)
            self._window.add(message.offset)  # until it is acknowledged, the stored `next` does not pass it

    async def _find_unhandled(self, chunk: Chunk) -> list[Delivery] | None:
        """Store the progress before anything is handed over, and return the deliveries that were not handled before.

        None if the replay no longer belongs to this process.
        """
        ids = [each.envelope.id for each in chunk.deliveries]

        async def find_handled(tx: Transaction) -> set[UUID]:
            return await inbox.find_handled(tx, self._worker.subscription.name, ids) if ids else set()

        known = await self._worker.transactions.commit_with_retries(find_handled)
        fresh = [each for each in chunk.deliveries if each.envelope.id not in known]
        await acknowledge([each for each in chunk.deliveries if each.envelope.id in known])
        is_ours = await self._store_progress(
            reached=-1 if self._next_offset is None else self._next_offset - 1,
            handed=len(fresh),
            known=len(chunk.deliveries) - len(fresh),
            refused=chunk.refused,
            too_old=chunk.too_old,
        )
        return fresh if is_ours else None

    async def _store_progress(self, *, state: str = "running", why: str = "", **counts: int) -> bool:
        """Store the progress. False if the replay no longer belongs to this process."""
        place = self._window.lowest_unacknowledged(self._next_offset)
        resets_deaths = place is not None and place > self._replay.reached
        progress = Progress(
            place, self._first_offset, self._last_offset, why=why, resets_deaths=resets_deaths, state=state, **counts
        )

        async def store(tx: Transaction) -> bool:
            return await table.store_progress(tx, self._replay.id, progress)

        is_ours = await self._worker.transactions.commit_with_retries(store)
        if not is_ours or state != "running":
            log.info("replay ended", replay_to=self._queue, state=state if is_ours else "stopped, or taken over")
        return is_ours

    async def _end(self, state: str, why: str = "") -> bool:
        await self._window.wait_for_acknowledgements(0)
        await self._store_progress(state=state, why=why)
        return False

    async def _pace(self, events: int) -> None:
        now = asyncio.get_running_loop().time()
        self._next_chunk_at = max(self._next_chunk_at, now) + events / self._rate
        with suppress(TimeoutError):
            async with asyncio.timeout(self._next_chunk_at - now):
                await self._stop.wait()

    async def _handle_no_message(self, connection: Connection) -> bool:
        """Find out why no message arrives before the end. False if the replay has ended.

        Raises `ConnectionLost` to try again.
        """
        last = await last_message(connection, self._stream)
        if last is None or last.offset < (self._last_offset or 0):
            log.error(LOG_DATA_LOST, replay_to=self._queue)
            return await self._end("failed", LOG_DATA_LOST)
        if self._first_offset is None and self._replay.since is not None:
            return await self._end("done")  # by the broker's clock, nothing was published since then
        raise ConnectionLost("the log delivers no message before its end")

    async def _wait_until_not_consumed(self, connection: Connection) -> None:
        """Wait until no replica consumes live events, for at most `MAX_CONSUMER_WAIT_S`.

        There is a limit because a replica with older code never stops.
        """
        channel = await open_channel(connection, confirms=False)
        with suppress(TimeoutError), translate_channel_errors():
            async with asyncio.timeout(MAX_CONSUMER_WAIT_S):
                while (await channel.queue_declare(self._queue, passive=True)).consumer_count:  # noqa: ASYNC110 - the broker sends no event
                    await asyncio.sleep(CONSUMER_POLL_S)
        await channel.close()


def _was_made_before(last: LoggedMessage, moment: datetime) -> bool:
    try:
        return time_of(UUID(str((last.properties.headers or {})[CLOUDEVENTS_PREFIX + "id"]))) < moment
    except (KeyError, ValueError, OverflowError):
        return False
