"""Publishes the events of the outbox to the broker.

A relay holds session locks on hash buckets of aggregates. So replicas share the work, and the events of one aggregate
leave in order. A commit wakes the relay of its own process, which notifies the relays that hold the other buckets.
Polling finds what a crash left behind.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import asyncpg

from marketplace_runtime.amqp import Publisher
from marketplace_runtime.database import ADVISORY_LOCK_FILTER, DATABASE_CONNECTION_ERRORS, Database, outbox
from marketplace_runtime.outbox import metrics, table
from marketplace_runtime.outbox.table import Pending
from marketplace_runtime.outbox.unpublishable import find_unpublishable, publish_one_by_one, set_aside
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

POLL_S = 0.5
MAX_PUBLISHES_IN_FLIGHT = 200
"""Maximum number of publishes in flight. 100 to 200 gave the highest rate."""
MAX_ROWS_PER_BATCH = 500
STATEMENT_TIMEOUT_S = 10.0
SETTINGS = {
    # If a server crash undoes a delete, the event is only published once more.
    "synchronous_commit": "off",
    # The planner's statistics of `outbox_pending`, which fills and empties all the time, are always out of date.
    # A plan made for an empty table would read the whole outbox.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
RECONNECT_CAP_S = 3.0
REBALANCE_S = 1.0
MAX_BROKER_ABSENCE_S = 1.0
"""Seconds without the broker after which a relay releases its buckets, so that connected relays can take them."""
BUCKET_CLASS, RELAY_CLASS = 7206, 7207
"""First keys of two-part advisory locks: one lock per bucket, and a shared one for all relays that want buckets."""

CHANNEL = "outbox"
"""NOTIFY channel on which relays send each other the buckets that have new events."""

COUNT_RELAYS = f"select count(*) from pg_locks where {ADVISORY_LOCK_FILTER} and classid = {RELAY_CLASS}"  # noqa: S608 - a constant


class Relay:
    """Publishes one service's outbox while `run` runs."""

    def __init__(self, database: Database, publisher: Publisher) -> None:
        self._database, self._publisher = database, publisher
        self._held_buckets: set[int] = set()
        self._idle = asyncio.Event()

    async def run(self) -> None:
        """Publish until cancelled. Reconnects after losing the database or the broker."""
        failures = 0
        while True:
            try:
                connection = await asyncpg.connect(
                    self._database.dsn,
                    timeout=STATEMENT_TIMEOUT_S,
                    command_timeout=STATEMENT_TIMEOUT_S,
                    server_settings={"application_name": f"{self._database.source} relay"} | SETTINGS,
                )
            except DATABASE_CONNECTION_ERRORS as error:
                failures += 1
                if failures == 1:
                    log.warning("relay: database unreachable", error=repr(error))
                await asyncio.sleep(random.uniform(0, min(RECONNECT_CAP_S, 0.1 * 2**failures)))  # noqa: S311 - jitter
                continue
            failures = 0
            try:
                await self._relay(connection)
            except DATABASE_CONNECTION_ERRORS as error:
                log.warning("relay: database connection lost", error=repr(error))
            finally:
                # Our locks are gone: another replica may publish these aggregates from now on.
                self._held_buckets.clear()
                self._publisher.drop_channel()
                with suppress(*DATABASE_CONNECTION_ERRORS):
                    await connection.close(timeout=1)

    async def wait_until_flushed(self) -> None:
        """Wait until the relay finds nothing more to publish in its buckets."""
        self._idle.clear()
        self._database.wake_ups.wake_relay()
        await self._idle.wait()

    async def _relay(self, connection: asyncpg.Connection) -> None:
        await connection.add_listener(CHANNEL, self._on_notification)
        while True:
            await self._publisher.wait_until_ready()
            await connection.execute(f"select pg_advisory_lock_shared({RELAY_CLASS}, 0)")
            await self._relay_while_connected(connection)
            await connection.execute("select pg_advisory_unlock_all()")
            self._held_buckets.clear()

    async def _relay_while_connected(self, connection: asyncpg.Connection) -> None:
        """Publish until the broker is unreachable for longer than `MAX_BROKER_ABSENCE_S`."""
        rebalance_at = 0.0
        loop = asyncio.get_running_loop()
        while await self._is_broker_connected():
            if loop.time() >= rebalance_at:
                await self._rebalance(connection)
                rebalance_at = loop.time() + REBALANCE_S
            await self._notify_other_relays(connection, self._database.wake_ups.take_buckets())
            rows = [
                Pending(*row)
                for row in await connection.fetch(
                    self._database.in_schema(table.PENDING), sorted(self._held_buckets), MAX_ROWS_PER_BATCH
                )
            ]
            bad = find_unpublishable(rows, self._database.source)
            unpublishable_seqs = {row.seq for row, _ in bad}
            confirmed = await self._publish([row for row in rows if row.seq not in unpublishable_seqs])
            if self._publisher.take_refusal() is not None:
                left = [row for row in rows if row.seq not in unpublishable_seqs.union(confirmed)]
                more, refused = await publish_one_by_one(left, self._database.source, self._publisher)
                confirmed, bad = confirmed + more, bad + refused
            if bad:
                await set_aside(connection, bad, self._database)
            if confirmed:
                await connection.execute(self._database.in_schema(table.DELETE_CONFIRMED), confirmed)
            if not rows:
                self._idle.set()
            if len(confirmed) < MAX_ROWS_PER_BATCH:
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._database.wake_ups.wait_for_outbox()

    async def _is_broker_connected(self) -> bool:
        try:
            async with asyncio.timeout(MAX_BROKER_ABSENCE_S):
                await self._publisher.wait_until_ready()
        except TimeoutError:
            return False
        return True

    async def _notify_other_relays(self, connection: asyncpg.Connection, buckets: set[int]) -> None:
        """Notify the relays of other processes of commits to buckets that this relay does not hold."""
        theirs = buckets - self._held_buckets
        if theirs:
            await connection.execute("select pg_notify($1, $2)", CHANNEL, ",".join(map(str, theirs)))

    def _on_notification(self, *arguments: object) -> None:
        """Wake this relay if a notification names a bucket that it holds. The payload is the last argument."""
        if self._held_buckets.intersection(map(int, str(arguments[-1]).split(","))):
            self._database.wake_ups.wake_relay()

    async def _rebalance(self, connection: asyncpg.Connection) -> None:
        """Hold a fair share of the buckets: lock free ones, or release those beyond the share."""
        share = -(-outbox.BUCKETS // max(1, await connection.fetchval(COUNT_RELAYS)))
        for bucket in sorted(self._held_buckets)[share:]:
            await connection.execute(f"select pg_advisory_unlock({BUCKET_CLASS}, $1::int)", bucket)
            self._held_buckets.discard(bucket)
        for bucket in range(outbox.BUCKETS):
            if len(self._held_buckets) >= share:
                break
            if bucket not in self._held_buckets and await connection.fetchval(
                f"select pg_try_advisory_lock({BUCKET_CLASS}, $1::int)", bucket
            ):
                self._held_buckets.add(bucket)

    async def _publish(self, rows: Sequence[Pending]) -> list[int]:
        """Publish `rows`, and return the sequence numbers of those that the broker confirmed.

        A later row of an aggregate is only published after the earlier one is confirmed.
        """
        source = self._database.source
        confirmed: list[int] = []
        waiting: set[str] = set()
        """Aggregates with an unconfirmed row. Their later rows wait for it."""
        for wave in _waves(rows):
            ready = [row for row in wave if row.subject not in waiting]
            for chunk in (
                ready[first : first + MAX_PUBLISHES_IN_FLIGHT]
                for first in range(0, len(ready), MAX_PUBLISHES_IN_FLIGHT)
            ):
                events = [(row.envelope(source), row.body) for row in chunk]
                outcomes = await self._publisher.publish_all(events)
                confirmed += [row.seq for row, sent in zip(chunk, outcomes, strict=True) if sent]
                waiting |= {row.subject for row, sent in zip(chunk, outcomes, strict=True) if not sent}
                for type, number in Counter(
                    row.type for row, sent in zip(chunk, outcomes, strict=True) if sent
                ).items():
                    metrics.publish_total.labels(type).inc(number)
        if waiting:
            log.warning("relay: events not confirmed, will be published again", events=len(rows) - len(confirmed))
        return confirmed


def _waves(rows: Sequence[Pending]) -> list[list[Pending]]:
    """Group `rows` into waves: the first row of each aggregate, then the second of each, and so on."""
    waves: list[list[Pending]] = []
    seen: Counter[str] = Counter()
    for row in rows:
        if seen[row.subject] == len(waves):
            waves.append([])
        waves[seen[row.subject]].append(row)
        seen[row.subject] += 1
    return waves
