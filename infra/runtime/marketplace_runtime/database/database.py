"""Connects a service to its own database."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from copy import copy
from datetime import datetime
from typing import Any, Self

from sqlalchemy import ARRAY, any_, bindparam, event, inspect, select
from sqlalchemy.engine import ExceptionContext, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from marketplace_runtime.database.cancellation import CancellableSession, ConnectionSlots
from marketplace_runtime.database.clock import Clock
from marketplace_runtime.database.errors import LOCK_NOT_AVAILABLE, READ_ONLY, is_transient, sqlstate
from marketplace_runtime.database.locked_rows import LockedRows
from marketplace_runtime.database.process_id import new_process_id
from marketplace_runtime.database.schema import in_schema, use_schema
from marketplace_runtime.database.transaction import Transaction
from marketplace_runtime.database.wake_ups import WakeUps
from marketplace_runtime.events import PLACEHOLDER_NAMING, Envelope, Naming

HANDLER_LOCK_TIMEOUT_S = 0.5
"""For message handlers, in seconds. After this wait a message is postponed, so that one locked row blocks no queue."""

REQUEST_LOCK_TIMEOUT_S = 2.0
"""For HTTP requests, in seconds. PostgreSQL is not told that a request was cancelled. So the request's database
connection stays in use until the wait for the lock ends."""


class Database:
    """Opens transactions, and wakes the relay and the scheduler when a commit leaves work for them.

    `statement_timeout_s` limits each statement, `lock_timeout_s` the wait for each lock (0: no limit but that of the
    statement), and `pool_timeout_s` the wait for a connection. `source` is the name of the service, as in its events.
    `internal_subscriptions` names, by event type, the subscription that handles each event that the service schedules
    to itself. `naming` holds the names that the application gives to its resources, such as the database schema and
    exchanges; tests may leave it out.
    """

    def __init__(
        self,
        url: str,
        *,
        source: str,
        naming: Naming = PLACEHOLDER_NAMING,
        internal_subscriptions: Mapping[str, str] | None = None,
        pool_size: int = 10,
        pool_timeout_s: float = 5.0,
        statement_timeout_s: float = 15.0,
        lock_timeout_s: float = 0.0,
    ) -> None:
        self.source, self.naming = source, naming
        self.process_id = new_process_id()
        """Identifies this process in claims and leases, which are released when it dies."""
        self.url = make_url(url).set(drivername="postgresql+asyncpg")
        self.wake_ups = WakeUps()
        self._internal_subscriptions = dict(internal_subscriptions or {})
        self.pool_timeout_s, self._statement_timeout_s = pool_timeout_s, statement_timeout_s
        self._lock_timeout_s = lock_timeout_s
        self._locked_rows = LockedRows()
        self._clock = Clock()
        self._slots: ConnectionSlots | None = None
        """One slot for each connection of the pool. A request waits here for a slot, not in the pool for a connection,
        so cancelling it meanwhile closes no connection. None for a pool whose tasks are not cancelled (see
        `for_requests`)."""
        self._closing_tasks: set[asyncio.Task[None]] = set()
        """Tasks that close sessions of SQLAlchemy, for this object and its copies from `for_requests`. They wait for
        the last statement even if its request was cancelled."""
        self._engines: list[AsyncEngine] = []
        """The engines of this object and of its copies from `for_requests`."""
        self._engine = self._open(pool_size)

    def _open(self, pool_size: int) -> AsyncEngine:
        engine = create_async_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=0,
            hide_parameters=True,  # errors are logged, and parameters may be personal data such as addresses
            pool_timeout=self.pool_timeout_s,
            pool_recycle=1800,
            connect_args={
                "timeout": self.pool_timeout_s,
                "command_timeout": self._statement_timeout_s + 5,
                "server_settings": self.server_settings,
            },
        )
        self._engines.append(engine)
        use_schema(engine.sync_engine, self.naming.database_schema)
        event.listen(engine.sync_engine, "handle_error", self._discard_connections_if_read_only)
        return engine

    @property
    def server_settings(self) -> dict[str, str]:
        """Return the settings that each connection is opened with; timeouts are in milliseconds."""
        return {
            "application_name": self.source,
            "statement_timeout": str(int(self._statement_timeout_s * 1000)),
            "lock_timeout": str(int(self._lock_timeout_s * 1000)),
            "idle_in_transaction_session_timeout": "60000",
            "jit": "off",
        }

    def _discard_connections_if_read_only(self, context: ExceptionContext) -> None:
        """Discard all connections once one turns out to be read-only: its server was demoted, or its settings changed.

        New connections go to the server that the host name now points to. The other pools are emptied, too: one that
        is only read from would never notice, since reads do not raise this error.
        """
        if sqlstate(context.original_exception) != READ_ONLY:
            return
        context.is_disconnect = True  # invalidates the pool that this connection belongs to
        for engine in self._engines:
            if engine.sync_engine is not context.engine:
                engine.sync_engine.dispose()

    def for_requests(self, pool_size: int) -> Self:
        """Return the same database with a second pool, for requests, which may be cancelled at any time.

        With separate pools, requests and message handlers cannot starve each other of connections. Close both objects.
        """
        other = copy(self)
        other._lock_timeout_s, other._slots = REQUEST_LOCK_TIMEOUT_S, ConnectionSlots(pool_size, self.pool_timeout_s)
        other._engine = other._open(pool_size)
        return other

    @property
    def dsn(self) -> str:
        """Return the address in the form that asyncpg takes."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    def in_schema(self, statement: str) -> str:
        """Return `statement` with the application's schema in place of `messaging`.

        For connections without SQLAlchemy; those of the engine do this by themselves.
        """
        return in_schema(self.naming.database_schema, statement)

    @asynccontextmanager
    async def transaction(self, cause: Envelope | None = None) -> AsyncIterator[Transaction]:
        """Open a unit of work that commits when the block ends and rolls back when it raises.

        `cause` is the envelope of the event that is being handled. Sends nothing to the server before the first
        statement. Raises the errors of the driver and of SQLAlchemy; `classify_error` says what to do about each.
        """
        session = self._new_session()
        tx = Transaction(
            session, self.source, self._internal_subscriptions, self.process_id, cause, self._locked_rows, self._clock
        )
        try:
            yield tx
            await tx.commit()
            self._wake_loops(tx)
        except Exception as error:
            await self._end(session, tx)
            # `awaited_rows` is still set if the wait for the locks of these rows raised the error.
            if tx.awaited_rows is not None and sqlstate(error) == LOCK_NOT_AVAILABLE:
                await self._remember_locked(*tx.awaited_rows)
            raise
        except BaseException:
            await self._end(session, tx, was_cancelled=True)
            raise
        await self._end(session, tx)

    def _new_session(self) -> AsyncSession:
        if self._slots is None:
            return AsyncSession(self._engine, expire_on_commit=False)
        session = CancellableSession(self._engine, expire_on_commit=False)
        session.slots = self._slots
        return session

    async def _end(self, session: AsyncSession, tx: Transaction, *, was_cancelled: bool = False) -> None:
        """Close the session. A cancelled request does not wait for that, since its database may hang."""
        if not isinstance(session, CancellableSession):
            await session.__aexit__(None, None, None)
            return

        async def close_session() -> None:
            # `session.finish` returns True only if a statement outlived its cancelled request and succeeded. With
            # `tx.committing`, that statement was the commit.
            if await session.finish() and tx.committing:
                self._wake_loops(tx)

        closing = asyncio.create_task(close_session())
        self._closing_tasks.add(closing)
        closing.add_done_callback(self._closing_tasks.discard)
        if not was_cancelled:
            await asyncio.shield(closing)

    def _wake_loops(self, tx: Transaction) -> None:
        """Wake the relay and the scheduler if the transaction left work for them."""
        if buckets := tx.buckets:
            self.wake_ups.wake_relay(buckets)
        if tx.must_wake_scheduler:
            self.wake_ups.wake_scheduler()

    async def _remember_locked(self, entity: type, keys: list[Any]) -> None:
        """Find out which of these rows are locked, and remember them for some seconds (see `LockedRows`).

        During that time, transactions that need them fail at once instead of waiting for their locks. If the query
        fails, all of the rows are remembered.
        """
        columns: Any = inspect(entity).primary_key
        if len(columns) > 1:  # only `get` locks such rows, one at a time: `keys` has one element
            self._locked_rows.remember(entity, keys)
            return
        (column,) = columns
        query = select(column).where(column == any_(bindparam(None, keys, ARRAY(column.type))))
        locked = set(keys)
        try:
            async with AsyncSession(self._engine) as session:
                existing = set(await session.scalars(query))
                locked = existing - set(await session.scalars(query.with_for_update(skip_locked=True)))
        except Exception as error:
            if not is_transient(error):
                raise
        self._locked_rows.remember(entity, locked)

    @property
    def now(self) -> datetime:
        """Return the time by the database's clock, without a query."""
        return self._clock.now()

    async def read_clock(self) -> datetime:
        """Read the database's clock, and return its time.

        `now` and later transactions use this reading, plus the time elapsed since. Repeat it now and then, since clocks
        drift.
        """
        async with self.transaction() as tx:
            return await self._clock.read(tx)

    async def probe_write(self) -> None:
        """Update the probe row. Raises the driver's error if the database does not accept the write."""
        async with self.transaction() as tx:
            await tx.execute("update messaging.probe set at = now()")

    async def close(self) -> None:
        """Close this object's own pool. Each copy from `for_requests` has to be closed, too.

        Cancels the sessions of this object and its copies that still wait for their last statement.
        """
        for each in self._closing_tasks:
            each.cancel()
        await asyncio.gather(*self._closing_tasks, return_exceptions=True)
        await self._engine.dispose()
