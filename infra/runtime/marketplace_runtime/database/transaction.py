"""One unit of work: state, inbox, outbox and schedule commit together or not at all."""

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
from marketplace_runtime.events import Envelope, Event, name_of
from marketplace_runtime.telemetry import child_of, current_traceparent

T = TypeVar("T")

SCHEDULED = """
select 1 from messaging.scheduled where subject = $1 and type = $2
union all
select 1 from messaging.dead_letters where headers ->> 'cloudEvents_subject' = $1 and type = $2
limit 1
"""

SOON = timedelta(seconds=1)
"""Within this time the schedule is looked at anyway."""


def check_versions(source: str, *versions: Event) -> None:
    """Raise ValueError unless `source` may say these together: versions of one event of its own, newest first."""
    newest = versions[0]
    for before, each in zip((None, *versions), versions, strict=False):
        if each.internal or each.publisher != source:
            raise ValueError(f"{source} cannot publish {each.type}")
        if (name_of(each.type), each.subject) != (name_of(newest.type), newest.subject):
            raise ValueError(f"{each.type} about {each.subject} is no version of {newest.type} about {newest.subject}")
        if before is not None and before.version <= each.version:
            raise ValueError(f"{before.type} comes before {each.type}: name the newest version first")


def identity_of(row: object) -> tuple[type, Any]:
    """The class of a mapped row and its primary key, a tuple where that has several columns."""
    key = inspect(type(row)).primary_key_from_instance(row)
    return type(row), key[0] if len(key) == 1 else tuple(key)


def _execute(session: Session, statement: str, values: tuple[Any, ...]) -> list[Any]:
    result = session.connection().exec_driver_sql(statement, values)
    return list(result.fetchall()) if result.returns_rows else []


@dataclass
class Transaction:
    """Handed to every use case. It neither commits nor rolls back: whoever opened it does."""

    session: AsyncSession
    """For `store.py` alone."""
    source: str
    """The service, as events name it."""
    listeners: Mapping[str, str]
    """Which subscription hears the service's own scheduled events, by type."""
    process_id: int
    """Which process this is, to claims and leases."""
    cause: Envelope | None = None
    """The event that is being handled; None in a request from outside."""
    locked_rows: LockedRows = field(default_factory=LockedRows)
    """The rows that are known to be locked by others."""
    clock: Clock = field(default_factory=Clock)
    """The database's, which all processes of the service go by."""
    locking: tuple[type, list[Any]] | None = None
    """The rows that it waits for at the moment: their class and primary keys."""
    committing: bool = False
    """Whether the commit was sent: from now on an error does not say whether it took effect."""
    declaration: Declaration | None = None
    """Of the running use case. None: the service may publish any of its events."""
    _published: list[outbox.Row] = field(default_factory=list)
    _scheduled: list[schedules.Entry] = field(default_factory=list)
    _known: dict[tuple[type, Any], Any] = field(default_factory=dict)
    _wakes_scheduler: bool = False

    @property
    def now(self) -> datetime:
        """The time by the database's clock: for everything that is kept and compared with a later time."""
        return self.clock.now()

    def new_id(self) -> UUID:
        """A new UUIDv7 by the same clock; later ones of this process compare greater."""
        return self.clock.new_id()

    def publish(self, event: Event, *older: Event) -> UUID:
        """Say `event` when this transaction commits, under one id also in the `older` versions that are promised yet.

        Newest first: who hears several acts on the first that comes. Returns the id.
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
        """Have this service itself hear `event` once, `after` the commit or a little later."""
        if event.type not in self.listeners:
            raise ValueError(f"no subscription of {self.source} hears {event.type}")
        envelope = self._envelope(event)
        entry = schedules.Entry(
            subscription=self.listeners[event.type],
            envelope=envelope,
            body=event.model_dump_json(exclude_none=True).encode(),
            delay=after,
            attempt=1,
            why="deadline",
        )
        self._scheduled.append(entry)

    async def will_hear(self, event: Event) -> bool:
        """Whether an event of this type about this subject is scheduled, by this transaction or another.

        One that is a dead letter counts, since operators decide on it; `is_lost` is the same for queries.
        """
        if any(each.envelope.type == event.type and each.envelope.subject == event.subject for each in self._scheduled):
            return True
        return bool(await self.execute(SCHEDULED, event.subject, event.type))

    async def get(self, entity: type[T], key: Any) -> T | None:
        """The row with this primary key, locked until the end; None where there is none."""
        known = (entity, key)
        if known not in self._known:
            with self._lock(entity, [key]):
                self._known[known] = await self.session.get(entity, key, with_for_update=True)
        found: T | None = self._known[known]
        return found

    async def peek(self, entity: type[T], key: Any) -> T | None:
        """The row with this primary key, not locked: for answers, not for decisions."""
        return await self.session.get(entity, key)

    async def preload(self, entity: type[T], keys: Iterable[Any]) -> None:
        """Lock and load the rows of many keys at once, in key order, so that batches can't deadlock.

        A later `get` of any of them needs no statement, also where there is no such row.
        """
        (column,) = inspect(entity).primary_key
        wanted = sorted({key for key in keys if (entity, key) not in self._known})
        if not wanted:
            return
        # One array, so that the statement is the same for every number of keys and is prepared once.
        keys_wanted = any_(bindparam(None, wanted, ARRAY(column.type)))
        rows = select(entity).where(column == keys_wanted).order_by(column).with_for_update()
        with self._lock(entity, wanted):
            found = {inspect(row).identity[0]: row for row in await self.session.scalars(rows)}
        for key in wanted:
            self._known[entity, key] = found.get(key)

    @contextmanager
    def _lock(self, entity: type, keys: list[Any]) -> Iterator[None]:
        """Note which rows the block locks. Raises `RowLocked` if one of them is known to be locked by others."""
        self.locked_rows.check(entity, keys)
        self.locking = entity, keys
        yield
        self.locking = None

    def add(self, row: object) -> None:
        """Insert a new row of a mapped class."""
        self.session.add(row)
        self._known[identity_of(row)] = row

    async def flush(self) -> None:
        """Send pending changes to the database now, where order matters to a constraint."""
        await self.session.flush()

    async def commit(self) -> None:
        """Write state first, then the outbox: so an aggregate's rows are locked when its events get their place."""
        await self.session.flush()
        if self._published:
            await outbox.insert(self, self._published)
        if self._scheduled:
            await schedules.insert(self, self._scheduled)
        self.committing = True
        await self.session.commit()

    @property
    def buckets(self) -> set[int]:
        """Where in the outbox its events are."""
        return {outbox.bucket_of(row.envelope.subject) for row in self._published}

    @property
    def has_due(self) -> bool:
        """Whether something was scheduled for now, or nearly."""
        return self._wakes_scheduler or any(entry.delay is not None and entry.delay < SOON for entry in self._scheduled)

    def file_entry(self, entry: schedules.Entry) -> None:
        """File something for later as it is: what the runtime does with a failed delivery."""
        self._scheduled.append(entry)

    def wake_scheduler(self) -> None:
        """Have the schedule looked at after the commit: something in it became due by another way."""
        self._wakes_scheduler = True

    async def execute(self, statement: str, *values: Any) -> list[Any]:
        """Run one statement in PostgreSQL's own words ($1, $2 …). Returns its rows."""
        return await self.session.run_sync(_execute, statement, values)

    def _envelope(self, event: Event) -> Envelope:
        return Envelope(
            id=self.new_id(),
            type=event.type,
            source=self.source,
            subject=event.subject,
            time=self.now,
            traceparent=child_of(current_traceparent()),
            causation_id=self.cause.id if self.cause else None,
        )
