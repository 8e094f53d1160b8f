"""Runs one unit of work: state, inbox, outbox and schedule commit together or not at all."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ARRAY, any_, bindparam, inspect, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from marketplace_runtime.database import outbox
from marketplace_runtime.database import schedule as schedules
from marketplace_runtime.database.clock import Clock
from marketplace_runtime.database.declarations import Declaration
from marketplace_runtime.database.locked_rows import LockedRows
from marketplace_runtime.events import Envelope, Event, without_version
from marketplace_runtime.telemetry import child_traceparent, current_traceparent

T = TypeVar("T")

SELECT_SCHEDULED = """
select 1 from messaging.scheduled where subject = $1 and type = $2
union all
select 1 from messaging.dead_letters where headers ->> 'cloudEvents_subject' = $1 and type = $2
limit 1
"""

WAKE_SCHEDULER_WITHIN = timedelta(seconds=1)
"""Entries due within this time wake the scheduler. It polls once per second, so later entries need no signal."""


def check_versions(source: str, *versions: Event) -> None:
    """Raise `ValueError` unless these are versions of one event that `source` may publish, newest first."""
    newest = versions[0]
    for before, each in zip((None, *versions), versions, strict=False):
        if each.internal or each.publisher != source:
            raise ValueError(f"{source} cannot publish {each.type}")
        if (without_version(each.type), each.subject) != (without_version(newest.type), newest.subject):
            raise ValueError(f"{each.type} about {each.subject} is no version of {newest.type} about {newest.subject}")
        if before is not None and before.version <= each.version:
            raise ValueError(f"{before.type} comes before {each.type}: name the newest version first")


def identity_key_of(row: object) -> tuple[type, Any]:
    """Return the class of a mapped row and its primary key, a tuple if that has several columns."""
    key = inspect(type(row)).primary_key_from_instance(row)
    return type(row), key[0] if len(key) == 1 else tuple(key)


def _execute(session: Session, statement: str, values: tuple[Any, ...]) -> list[Any]:
    result = session.connection().exec_driver_sql(statement, values)
    return list(result.fetchall()) if result.returns_rows else []


@dataclass
class Transaction:
    """A unit of work, passed to every use case. Whoever opened it commits or rolls back; the use case does neither."""

    session: AsyncSession
    """For use in a service's `store.py` only."""
    source: str
    """Name of the service, as in its events."""
    internal_subscriptions: Mapping[str, str]
    """Subscription that handles each type of the service's own scheduled events."""
    process_id: int
    """Id of this process in claims and leases."""
    cause: Envelope | None = None
    """Envelope of the event that is being handled; None in a request from outside."""
    locked_rows: LockedRows = field(default_factory=LockedRows)
    """Rows that are known to be locked by other transactions."""
    clock: Clock = field(default_factory=Clock)
    """The database's clock, which all processes of the service use."""
    awaited_rows: tuple[type, list[Any]] | None = None
    """Rows whose locks it is waiting for: their class and primary keys."""
    committing: bool = False
    """Whether the commit was sent. After that, an error does not tell whether the commit took effect."""
    declaration: Declaration | None = None
    """Declaration of the running use case. None: it may publish any event of the service."""
    _published: list[outbox.Row] = field(default_factory=list)
    _scheduled: list[schedules.ScheduleEntry] = field(default_factory=list)
    _loaded_rows: dict[tuple[type, Any], Any] = field(default_factory=dict)
    _wakes_scheduler: bool = False

    @property
    def now(self) -> datetime:
        """Return the time by the database's clock. Use it for all that is stored and compared with a later time."""
        return self.clock.now()

    def new_id(self) -> UUID:
        """Return a new UUIDv7 by the same clock. Later ones of this process compare greater."""
        return self.clock.new_id()

    def publish(self, event: Event, *older: Event) -> UUID:
        """Publish `event` when this transaction commits, and return its id.

        `older` is the same event in those older versions that are still published, newest first. They get the same id,
        and follow `event`. A consumer of several versions handles the first that arrives.
        Raises `ValueError` (see `check_versions`), or `UndeclaredEvent` if the use case does not declare a version.
        """
        check_versions(self.source, event, *older)
        if self.declaration is not None:
            self.declaration.check(event, *older)
        envelope = self._envelope(event)
        for each in (event, *older):
            body = each.model_dump_json(exclude_none=True).encode()
            self._published.append(outbox.Row(replace(envelope, type=each.type), body))
        return envelope.id

    def schedule(self, event: Event, *, after: timedelta) -> None:
        """Deliver `event` to this service itself, once. It is due when the time `after` has passed since the commit.

        Raises `ValueError` if none of its subscriptions handles the type.
        """
        if event.type not in self.internal_subscriptions:
            raise ValueError(f"no subscription of {self.source} handles {event.type}")
        envelope = self._envelope(event)
        entry = schedules.ScheduleEntry(
            subscription=self.internal_subscriptions[event.type],
            envelope=envelope,
            body=event.model_dump_json(exclude_none=True).encode(),
            delay=after,
            attempt=1,
            why="deadline",
        )
        self._scheduled.append(entry)

    async def is_scheduled(self, event: Event) -> bool:
        """Return whether an event of this type about this subject is scheduled, by this transaction or another.

        A dead letter counts as scheduled, as operators decide about it. In queries, use
        `scheduler.is_deadline_lost`, which states the opposite.
        """
        if any(each.envelope.type == event.type and each.envelope.subject == event.subject for each in self._scheduled):
            return True
        return bool(await self.execute(SELECT_SCHEDULED, event.subject, event.type))

    async def get(self, entity: type[T], key: Any) -> T | None:
        """Return the row with this primary key, locked until the transaction ends; None if there is no such row.

        Raises `RowLocked` if another transaction was found to keep it locked a moment ago.
        """
        known = (entity, key)
        if known not in self._loaded_rows:
            with self._awaiting_locks(entity, [key]):
                self._loaded_rows[known] = await self.session.get(entity, key, with_for_update=True)
        found: T | None = self._loaded_rows[known]
        return found

    async def peek(self, entity: type[T], key: Any) -> T | None:
        """Return the row with this primary key without locking it: for answers, not for decisions."""
        return await self.session.get(entity, key)

    async def preload(self, entity: type[T], keys: Iterable[Any]) -> None:
        """Lock and load the rows of many keys at once, in key order, so that batches cannot deadlock.

        A later `get` of any of them needs no statement, even if there is no such row.
        """
        (column,) = inspect(entity).primary_key
        wanted = sorted({key for key in keys if (entity, key) not in self._loaded_rows})
        if not wanted:
            return
        # One array, so that the statement is the same for every number of keys and is prepared once.
        keys_wanted = any_(bindparam(None, wanted, ARRAY(column.type)))
        rows = select(entity).where(column == keys_wanted).order_by(column).with_for_update()
        with self._awaiting_locks(entity, wanted):
            found = {inspect(row).identity[0]: row for row in await self.session.scalars(rows)}
        for key in wanted:
            self._loaded_rows[entity, key] = found.get(key)

    @contextmanager
    def _awaiting_locks(self, entity: type, keys: list[Any]) -> Iterator[None]:
        """Note which rows the block locks. Raises `RowLocked` if another transaction is known to lock one of them."""
        self.locked_rows.check(entity, keys)
        self.awaited_rows = entity, keys
        yield
        self.awaited_rows = None

    def add(self, row: object) -> None:
        """Insert a new row of a mapped class."""
        self.session.add(row)
        self._loaded_rows[identity_key_of(row)] = row

    async def flush(self) -> None:
        """Send pending changes to the database now, if a constraint depends on their order."""
        await self.session.flush()

    async def commit(self) -> None:
        """Write the state, then the outbox and the schedule, and commit.

        The flush locks an aggregate's rows before its events get their sequence numbers in the outbox. So these are in
        the order of the aggregate's changes.
        """
        await self.session.flush()
        if self._published:
            await outbox.insert(self, self._published)
        if self._scheduled:
            await schedules.insert(self, self._scheduled)
        self.committing = True
        await self.session.commit()

    @property
    def buckets(self) -> set[int]:
        """Return the outbox buckets of its published events."""
        return {outbox.bucket_of(row.envelope.subject) for row in self._published}

    @property
    def must_wake_scheduler(self) -> bool:
        """Return whether the scheduler has to be woken.

        That is so if an entry is due within `WAKE_SCHEDULER_WITHIN`, or if `wake_scheduler` was called.
        """
        return self._wakes_scheduler or any(
            entry.delay is not None and entry.delay < WAKE_SCHEDULER_WITHIN for entry in self._scheduled
        )

    def schedule_entry(self, entry: schedules.ScheduleEntry) -> None:
        """Insert a ready-made entry into the schedule at the commit. The runtime does this with a failed delivery."""
        self._scheduled.append(entry)

    def wake_scheduler(self) -> None:
        """Wake the scheduler after the commit, because this transaction made entries due by statements of its own."""
        self._wakes_scheduler = True

    async def execute(self, statement: str, *values: Any) -> list[Any]:
        """Run one statement with PostgreSQL's own placeholders ($1, $2 …), and return its rows."""
        return await self.session.run_sync(_execute, statement, values)

    def _envelope(self, event: Event) -> Envelope:
        return Envelope(
            id=self.new_id(),
            type=event.type,
            source=self.source,
            subject=event.subject,
            time=self.now,
            traceparent=child_traceparent(current_traceparent()),
            causation_id=self.cause.id if self.cause else None,
        )
