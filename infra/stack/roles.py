"""The roles of a service's database: who migrates, who runs, who only looks."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from infra.stack.passwords import Passwords

AUDIT = "audit"
LOCK = 5_062_022
"""Any number: one at a time makes roles on a server that several services share."""


@dataclass(frozen=True)
class DatabaseUrls:
    """The addresses of one service's database, as each of its roles."""

    owner: str
    """Migrates: owns the database and every table."""
    app: str
    """Runs: reads and writes what its migrations grant."""
    superuser: str
    """Operates."""
    audit: str
    """Reads everything, and writes nothing."""


class PostgresServer:
    """A running server, known by its superuser's address."""

    def __init__(self, superuser_url: str, passwords: Passwords) -> None:
        self._url = superuser_url
        self._passwords = passwords

    async def answers(self) -> bool:
        """Whether it answers a query. False while it starts, recovers or shuts down."""
        try:
            await (await asyncpg.connect(self._at("postgres"), timeout=5)).close()
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
            return False
        return True

    def urls(self, service: str) -> DatabaseUrls:
        """Where the service's database is, or will be."""
        return DatabaseUrls(
            owner=self._at(service, f"{service}_owner"),
            app=self._at(service, service),
            superuser=self._at(service),
            audit=self._at(service, AUDIT),
        )

    async def create_database(self, service: str) -> DatabaseUrls:
        """The service's database with its roles, made now if it is not there; may be called again.

        Nobody but its own roles and the auditor may connect to it.
        """
        roles = (f"{service}_owner", service, AUDIT)
        async with self._operator() as connection:
            await connection.execute(f"select pg_advisory_lock({LOCK})")
            for role in roles:
                await self._create_role(connection, role)
            await connection.execute(f"grant pg_read_all_data to {AUDIT}")
            await connection.execute("revoke connect on database postgres, template1 from public")
            if not await connection.fetchval("select 1 from pg_database where datname = $1", service):
                await connection.execute(f'create database "{service}" owner "{service}_owner"')
            await connection.execute(f'revoke all on database "{service}" from public')
            await connection.execute(f'grant connect on database "{service}" to "{service}", {AUDIT}')
        return self.urls(service)

    async def forget_what_was_set(self) -> None:
        """Undo every `alter system`: with them a fault would outlive the server's process."""
        async with self._operator() as connection:
            await connection.execute("alter system reset all")
            await connection.execute("select pg_reload_conf()")

    @contextlib.asynccontextmanager
    async def _operator(self) -> AsyncIterator[asyncpg.Connection]:
        """The superuser's connection; it may write even where writing is off."""
        settings = {"default_transaction_read_only": "off"}
        connection = await asyncpg.connect(self._at("postgres"), timeout=10, server_settings=settings)
        try:
            yield connection
        finally:
            await connection.close()

    async def _create_role(self, connection: asyncpg.Connection, role: str) -> None:
        if not await connection.fetchval("select 1 from pg_roles where rolname = $1", role):
            await connection.execute(f'create role "{role}" login')
        await connection.execute(f"alter role \"{role}\" password '{self._passwords.of(role)}'")

    def _at(self, database: str, user: str | None = None) -> str:
        parts = urlsplit(self._url)
        where = parts.netloc
        if user:
            where = f"{user}:{self._passwords.of(user)}@{where.rpartition('@')[2]}"
        return urlunsplit((parts.scheme, where, f"/{database}", parts.query, ""))
