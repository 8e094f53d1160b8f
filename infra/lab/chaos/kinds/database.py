"""Faults of a service's database: terminated sessions, no free connections, held locks, and refused writes."""

import asyncio
import contextlib
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import asyncpg

from infra.lab.chaos.fault import Fault, Kind, ResourceNeeds
from infra.lab.chaos.polling import poll_until_truthy
from infra.lab.chaos.site import Site

TERMINATE_SESSIONS = "select pg_terminate_backend(pid) from pg_stat_activity where usename = $1"
OUTBOX_TABLE = "messaging.outbox_pending"
"""The busiest table of every service. Each transaction that writes an event needs it, and so does the relay."""
COUNT_WAITING = "select count(*) from pg_locks where relation = $1::text::regclass and not granted"
POLL_S = 0.25
COUNT_SESSIONS = "select count(*) from pg_stat_activity where usename = $1 and application_name = $1"
ORDER_TABLES = {"catalog": "products", "cart": "carts", "checkout": "orders", "delivery": "shipments"}
"""The table of each service in which each order locks a row."""


class DatabaseFault(Kind):
    """A fault of one service's database server."""

    def parts(self, services: Sequence[str]) -> list[str]:
        return [f"{service}-db" for service in services]

    def server(self, part: str) -> str:
        return part

    def needed_resources(self, part: str) -> ResourceNeeds:
        return ResourceNeeds(exclusive=frozenset({f"{part}:state"}), shared=frozenset({part, part.removesuffix("-db")}))

    @abstractmethod
    async def begin(self, site: Site, fault: Fault) -> None: ...

    async def end(self, site: Site, fault: Fault) -> None:
        await site.release(fault.id)


class TerminatedSessions(DatabaseFault):
    """Terminates every session of the service."""

    name = "terminated-sessions"
    about = "Every database session of the service is terminated, whatever it is doing."
    is_momentary = True

    async def begin(self, site: Site, fault: Fault) -> None:
        async with site.database(fault.part) as database:
            ended = await database.fetch(TERMINATE_SESSIONS, fault.part.removesuffix("-db"))
        site.notes[fault.id] = f"{len(ended)} sessions terminated" if ended else ""


class ExhaustedConnections(DatabaseFault):
    """Takes the free connections of the server, then terminates the service's sessions and takes theirs, too."""

    name = "exhausted-connections"
    about = "Other clients hold every connection of the database; the service has lost its own."
    outlives_process = False
    duration_range_s = (4.0, 9.0)

    async def begin(self, site: Site, fault: Fault) -> None:
        exit_stack = site.exit_stack_of(fault.id)
        async with site.database(fault.part) as database:
            await _fill_connections(site, fault, exit_stack)
            await database.fetch(TERMINATE_SESSIONS, fault.part.removesuffix("-db"))
            taken = await _fill_connections(site, fault, exit_stack)
        site.run_in_background(fault.id, _keep_connections_filled(site, fault, exit_stack))
        site.notes[fault.id] = f"all connections taken, {taken} of them from the service" if taken else ""


class HeldLock(DatabaseFault):
    """Holds an exclusive lock on the outbox's table of pending events."""

    name = "held-lock"
    about = "Another session holds an exclusive lock on the outbox's table of pending events."
    outlives_process = False
    duration_range_s = (3.0, 8.0)
    mode = "access exclusive"

    def table(self, part: str) -> str:
        """Return the table to lock."""
        return OUTBOX_TABLE

    async def begin(self, site: Site, fault: Fault) -> None:
        exit_stack, table = site.exit_stack_of(fault.id), self.table(fault.part)
        holder = await exit_stack.enter_async_context(site.database(fault.part))
        observer = await exit_stack.enter_async_context(site.database(fault.part))
        await exit_stack.enter_async_context(holder.transaction())
        await holder.execute(f"lock table {table} in {self.mode} mode")
        site.run_in_background(fault.id, _count_waiting_sessions(site, fault, observer, table))


class ForgottenLock(HeldLock):
    """Locks a table of the service against writes, for longer than any statement may wait."""

    name = "forgotten-lock"
    about = "A forgotten session locks a table of the service against writes, for longer than a statement may take."
    duration_range_s = (17.0, 20.0)
    min_run_s = 60.0
    mode = "exclusive"

    def table(self, part: str) -> str:
        return ORDER_TABLES[part.removesuffix("-db")]

    def parts(self, services: Sequence[str]) -> list[str]:
        return [f"{service}-db" for service in services if service in ORDER_TABLES]

    def needed_resources(self, part: str) -> ResourceNeeds:
        """Also exclude faults of the stand-ins, and faults that need orders to make progress.

        Orders make no progress during this fault. So services make no external calls, and receive few events.
        """
        needed = super().needed_resources(part)
        return replace(needed, exclusive=needed.exclusive | {"outside", "orders"})


class ReadOnly(DatabaseFault):
    """Makes the server refuse writes, as a replica does after a failover."""

    name = "read-only"
    about = "The database refuses writes, as a replica does."

    async def begin(self, site: Site, fault: Fault) -> None:
        async with site.database(fault.part) as database:
            await database.execute("alter system set default_transaction_read_only = on")
            await database.execute("select pg_reload_conf()")

    async def observe_effect(self, site: Site, fault: Fault) -> str:
        url = site.state.services[fault.part.removesuffix("-db")].database["app"]
        database = await asyncpg.connect(url, timeout=5)
        try:
            await database.execute("update messaging.probe set at = now()")
        except asyncpg.ReadOnlySQLTransactionError as error:
            return f"a write was refused: {error}"
        finally:
            await database.close(timeout=2)
        return ""

    async def end(self, site: Site, fault: Fault) -> None:
        async with site.database(fault.part) as database:
            await database.execute("alter system reset default_transaction_read_only")
            await database.execute("select pg_reload_conf()")


class ReadOnlySessions(DatabaseFault):
    """Makes every session read-only although the server accepts writes, as after a failover."""

    name = "read-only-sessions"
    about = "The service's present sessions are read-only, as after a failover; new ones are not."
    is_momentary = True

    async def begin(self, site: Site, fault: Fault) -> None:
        role = fault.part.removesuffix("-db")
        async with site.database(fault.part) as database:
            await database.execute(f"alter role {role} set default_transaction_read_only = on")
            try:
                await database.fetch(TERMINATE_SESSIONS, role)
                opened = await poll_until_truthy(lambda: database.fetchval(COUNT_SESSIONS, role))
            finally:
                await self.end(site, fault)
        site.notes[fault.id] = f"{opened} read-only sessions opened" if opened else ""

    async def end(self, site: Site, fault: Fault) -> None:
        async with site.database(fault.part) as database:
            await database.execute(f"alter role {fault.part.removesuffix('-db')} reset default_transaction_read_only")


async def _fill_connections(site: Site, fault: Fault, exit_stack: contextlib.AsyncExitStack) -> int:
    """Take connections until the server refuses one. Returns the number taken."""
    taken = 0
    while True:
        try:
            await exit_stack.enter_async_context(site.database(fault.part, "audit"))
        except asyncpg.TooManyConnectionsError:
            return taken
        taken += 1


async def _keep_connections_filled(site: Site, fault: Fault, exit_stack: contextlib.AsyncExitStack) -> None:
    while True:
        with contextlib.suppress(OSError, asyncpg.PostgresError):
            await _fill_connections(site, fault, exit_stack)
        await asyncio.sleep(POLL_S)


async def _count_waiting_sessions(site: Site, fault: Fault, database: asyncpg.Connection, table: str) -> None:
    highest = 0
    while True:
        highest = max(highest, await database.fetchval(COUNT_WAITING, table))
        site.notes[fault.id] = f"up to {highest} sessions waited for the lock" if highest else ""
        await asyncio.sleep(POLL_S)


KINDS = (
    TerminatedSessions(),
    ExhaustedConnections(),
    HeldLock(),
    ForgottenLock(),
    ReadOnly(),
    ReadOnlySessions(),
)
