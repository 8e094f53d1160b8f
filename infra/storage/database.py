"""One service's own database."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from copy import copy
from typing import Self

from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from contracts import Envelope
from infra.storage.neighbours import new_holder
from infra.storage.transaction import Transaction


class Database:
    """Hands out transactions, and tells who waits for it what a commit has left to do.

    `statement_timeout_s` bounds each statement, `pool_timeout_s` the wait for a connection.
    """

    def __init__(
        self,
        url: str,
        *,
        source: str,
        listeners: Mapping[str, str] | None = None,
        pool_size: int = 10,
        pool_timeout_s: float = 5.0,
        statement_timeout_s: float = 15.0,
    ) -> None:
        self.source = source
        self.holder = new_holder()
        """Names this process in claims and leases: they fall when it dies."""
        self.url = make_url(url).set(drivername="postgresql+asyncpg")
        self.outbox_ready = asyncio.Event()
        """Set when there may be events to publish."""
        self.outbox_buckets: set[int] = set()
        """To which of the outbox's buckets commits added since the relay last looked."""
        self.schedule_ready = asyncio.Event()
        """Set when a commit scheduled something for now; what is due later is found when its time comes."""
        self._listeners = dict(listeners or {})
        self._pool_timeout_s, self._statement_timeout_s = pool_timeout_s, statement_timeout_s
        self._engine = self._open(pool_size)

    def _open(self, pool_size: int) -> AsyncEngine:
        return create_async_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=0,
            hide_parameters=True,  # an error's text goes to the log, an address must not
            pool_timeout=self._pool_timeout_s,
            pool_recycle=1800,
            connect_args={
                "timeout": self._pool_timeout_s,
                "command_timeout": self._statement_timeout_s + 5,
                "server_settings": {
                    "application_name": self.source,
                    "statement_timeout": str(int(self._statement_timeout_s * 1000)),
                    "idle_in_transaction_session_timeout": "60000",
                    "jit": "off",
                },
            },
        )

    def with_own_pool(self, pool_size: int) -> Self:
        """The same database through connections of its own, so that neither user of it starves the other."""
        other = copy(self)
        other._engine = self._open(pool_size)
        return other

    @property
    def dsn(self) -> str:
        """The address as asyncpg itself takes it."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    @asynccontextmanager
    async def transaction(self, cause: Envelope | None = None) -> AsyncIterator[Transaction]:
        """A unit of work that commits when the block ends and rolls back when it raises.

        No statement is sent before the first is needed. Raises the driver's errors:
        see `is_unavailable` and `is_conflict`.
        """
        async with AsyncSession(self._engine, expire_on_commit=False) as session:
            tx = Transaction(session, self.source, self._listeners, self.holder, cause)
            yield tx
            await tx.commit()
        if buckets := tx.buckets:
            self.outbox_buckets |= buckets
            self.outbox_ready.set()
        if tx.has_due:
            self.schedule_ready.set()

    async def ping(self) -> None:
        """Raise unless the database takes a write."""
        async with self.transaction() as tx:
            await tx.execute("update messaging.probe set at = now()")

    async def close(self) -> None:
        """Give every connection back."""
        await self._engine.dispose()
