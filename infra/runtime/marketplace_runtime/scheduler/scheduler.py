"""Runs due entries of the schedule, retries and deadlines, through the same path as a fresh delivery."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from enum import Enum
from typing import Protocol

from marketplace_runtime.amqp import DeadLetter, InvalidMessage, dead_letter_from_event
from marketplace_runtime.database import Database, ScheduleEntry, Transaction, is_transient
from marketplace_runtime.external_calls import LEASE, liveness
from marketplace_runtime.scheduler import key_queue
from marketplace_runtime.scheduler import table as scheduled
from marketplace_runtime.scheduler.caught_up import CatchUpTracker
from marketplace_runtime.scheduler.table import Deadlines
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

POLL_S = 1.0
"""The longest wait between polls: another replica may have scheduled something."""
MIN_POLL_S, MIN_POLL_WHEN_FULL_S = 0.01, 0.1
"""The shortest wait between polls. It is longer while a worker has no room, since its due entries are not taken."""
MAX_ENTRIES_PER_QUERY = 200
"""Maximum number of entries per query."""
UNKNOWN_VERSION_POLL_S, UNHANDLED_POLL_S = 5.0, 10.0
"""Intervals of the polls for entries in an unknown version, and for entries that no code handles."""
UNKNOWN_VERSION_AFTER = timedelta(seconds=5)
"""Time that entries in an unknown version must be overdue before this replica takes them.

Their attempt then fails. A replica that understands the version takes them earlier.
"""
UNHANDLED_AFTER = timedelta(minutes=5)
"""Time that entries which this code does not handle must be overdue before they are dead-lettered.

A replica with newer code that handles them takes them long before.
"""


class ReactionKind(Enum):
    """Lists the ways in which a type of event is handled."""

    HANDLER = "by a handler"
    EXTERNAL_CALL = "by an external call"
    DEADLINE = "a deadline: after all that reached the service before it was due"


class Worker(Protocol):
    """Declares what the scheduler needs of the worker of one subscription, which handles its due entries."""

    @property
    def types(self) -> Mapping[str, ReactionKind]:
        """Return the types of events that it handles, and how it handles each."""

    @property
    def types_with_room(self) -> Iterable[str]:
        """Return the types of events of which it can accept more now."""

    @property
    def keeps_order(self) -> bool:
        """Return whether events of one key are handled in order."""

    @property
    def has_room(self) -> bool:
        """Return whether it can accept more now."""

    def receive_due(self, entry: ScheduleEntry) -> None:
        """Accept a due entry."""

    def call_when_there_is_room(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, as soon as there is room. Not at all if there is room now."""

    def why_unhandled(self, type: str) -> InvalidMessage:
        """Return why it does not handle events of this type."""


class Scheduler:
    """Hands due entries of the service's schedule to its workers, which are keyed by subscription name."""

    def __init__(
        self,
        database: Database,
        workers: Mapping[str, Worker],
        caught_up: CatchUpTracker,
        store_dead_letters: Callable[[Transaction, Sequence[DeadLetter]], Awaitable[None]],
    ) -> None:
        self._database, self._workers, self._caught_up = database, workers, caught_up
        self._store_dead_letters = store_dead_letters
        self._subscribed = [(name, type) for name, each in workers.items() for type in each.types]
        self._deadlines = self._of_kind(ReactionKind.DEADLINE)
        self._types_without_call = self._of_kind(ReactionKind.HANDLER)
        self._missing_since: dict[int, float] = {}
        """Time since which the liveness lock of each process is missing, for `liveness.release_orphaned_claims`."""
        self._release_claims_at = self._poll_unknown_at = self._poll_unhandled_at = 0.0

    async def run(self) -> None:
        """Poll for due entries until cancelled. Retries while the database is unavailable, in conflict or too slow."""
        while True:
            try:
                wait_s = await self._poll()
            except Exception as error:
                if not is_transient(error):
                    raise
                self._missing_since.clear()  # a lock that was missing may have been there again meanwhile
                log.warning("scheduler: database unavailable, in conflict or too slow", error=repr(error))
                wait_s = POLL_S
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._database.wake_ups.wait_for_schedule()

    async def _poll(self) -> float:
        """Lease due entries and hand them to their workers. Returns the seconds to wait before the next poll."""
        self._database.wake_ups.clear_schedule_signal()
        ready = {name: each for name, each in self._workers.items() if each.has_room}
        now = asyncio.get_running_loop().time()
        async with self._database.transaction() as tx:
            if now >= self._release_claims_at:
                await liveness.release_orphaned_claims(tx, self._missing_since)
                self._release_claims_at = now + POLL_S
            if now >= self._poll_unhandled_at:
                await self._dead_letter_unhandled(tx)
                self._poll_unhandled_at = now + UNHANDLED_POLL_S
            deadlines = Deadlines(self._deadlines, self._caught_up.until, self._types_without_call)
            entries = await scheduled.lease_due(tx, _with_room(ready), MAX_ENTRIES_PER_QUERY, LEASE, deadlines)
            if now >= self._poll_unknown_at:
                entries += await scheduled.lease_unknown_versions(
                    tx, self._subscribed, MAX_ENTRIES_PER_QUERY, LEASE, UNKNOWN_VERSION_AFTER
                )
                self._poll_unknown_at = now + UNKNOWN_VERSION_POLL_S
            due_s, is_deadline_overdue = await scheduled.next_due_s(tx, _with_room(self._workers), deadlines)
        if is_deadline_overdue:
            self._caught_up.request_catch_up()
        for entry in entries:
            self._workers[entry.subscription].receive_due(entry)
        if len(entries) >= MAX_ENTRIES_PER_QUERY:
            return MIN_POLL_S
        shortest_s = MIN_POLL_S if len(ready) == len(self._workers) else MIN_POLL_WHEN_FULL_S
        if due_s is not None and due_s <= 0:
            for worker in self._workers.values():
                worker.call_when_there_is_room(self._database.wake_ups.wake_scheduler)
        return POLL_S if due_s is None else min(POLL_S, max(shortest_s, due_s))

    def _of_kind(self, kind: ReactionKind) -> list[tuple[str, str]]:
        return [(name, type) for name, type in self._subscribed if self._workers[name].types[type] is kind]

    async def _dead_letter_unhandled(self, tx: Transaction) -> None:
        """Dead-letter the entries that no code handles any more.

        If an entry has a key and its subscription still exists, it stays as the dead head of its key queue, and
        holds up the other entries.
        """
        await key_queue.remove_keys(tx, [name for name, each in self._workers.items() if not each.keeps_order])
        entries = await scheduled.lock_unhandled(tx, self._subscribed, MAX_ENTRIES_PER_QUERY, UNHANDLED_AFTER)
        if not entries:
            return
        letters = [_dead_letter(entry, self._why_unhandled(entry)) for entry in entries]
        await self._store_dead_letters(tx, letters)
        for entry, letter in zip(entries, letters, strict=True):
            log.error("dead letter", subscription=letter.subscription, reason=letter.reason, error=letter.error)
            if entry.key is not None and entry.subscription in self._workers:
                await key_queue.update_in_place(tx, entry.id or 0, replace(entry, delay=None, dead=True))
                continue
            await scheduled.remove(tx, [entry.id or 0])
            if entry.key is not None:
                await key_queue.make_next_due(tx, entry.subscription, [entry.key], MAX_ENTRIES_PER_QUERY)

    def _why_unhandled(self, entry: ScheduleEntry) -> InvalidMessage:
        worker = self._workers.get(entry.subscription)
        if worker is None:
            return InvalidMessage(
                "unknown-subscription", f"subscription {entry.subscription!r} does not exist in this service any more"
            )
        return worker.why_unhandled(entry.envelope.type)


def _with_room(workers: Mapping[str, Worker]) -> list[tuple[str, str]]:
    return [(name, type) for name, each in workers.items() for type in each.types_with_room]


def _dead_letter(entry: ScheduleEntry, why: InvalidMessage) -> DeadLetter:
    return dead_letter_from_event(
        entry.envelope,
        entry.body,
        subscription=entry.subscription,
        reason=why.reason,
        error=str(why),
        attempts=entry.attempt,
        failed_at=entry.failed_at,
    )
