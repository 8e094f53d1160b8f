"""Creates a service's database and its roles: owner (migrations), app (the service) and audit (read-only)."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from infra.stack.passwords import Passwords

AUDIT = "audit"
LOCK = 5_062_022
"""Key of an advisory lock, an arbitrary number. Services that share a server create their roles one after the other."""


@dataclass(frozen=True)
class DatabaseUrls:
    """The URLs of one service's database, one for each role."""

    owner: str
    """Runs migrations. Owns the database and every table."""
    app: str
    """Used by the running service. Reads and writes what the migrations grant."""
    superuser: str
    """Used for administration."""
    audit: str
    """Used by the audit. Reads everything, and writes nothing."""


class PostgresServer:
    """A client of a running PostgreSQL server, which connects as superuser."""

    def __init__(self, superuser_url: str, passwords: Passwords) -> None:
        self._url = superuser_url
        self._passwords = passwords

    async def is_ready(self) -> bool:
        """Return whether the server accepts connections. False while it starts, recovers or shuts down."""
        try:
            await (await asyncpg.connect(self._url_of("postgres"), timeout=5)).close()
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
            return False
        return True

    def urls(self, service: str) -> DatabaseUrls:
        """Return the URLs of the service's database, which may not exist yet."""
        return DatabaseUrls(
            owner=self._url_of(service, f"{service}_owner"),
            app=self._url_of(service, service),
            superuser=self._url_of(service),
            audit=self._url_of(service, AUDIT),
        )

    async def create_database(self, service: str) -> DatabaseUrls:
        """Create the service's database and its roles, unless they exist, and return the URLs. It can be repeated.

        Only the service's own roles, the auditor and superusers may connect to the database.
        """
        roles = (f"{service}_owner", service, AUDIT)
        async with self._superuser_connection() as connection:
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

    async def reset_settings(self) -> None:
        """Reset every setting made by `alter system`. Otherwise an injected fault would outlive the server process."""
        async with self._superuser_connection() as connection:
            await connection.execute("alter system reset all")
            await connection.execute("select pg_reload_conf()")

    @contextlib.asynccontextmanager
    async def _superuser_connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Yield the superuser's connection. It can write even if transactions are read-only by default."""
        settings = {"default_transaction_read_only": "off"}
        connection = await asyncpg.connect(self._url_of("postgres"), timeout=10, server_settings=settings)
        try:
            yield connection
        finally:
            await connection.close()

    async def _create_role(self, connection: asyncpg.Connection, role: str) -> None:
        if not await connection.fetchval("select 1 from pg_roles where rolname = $1", role):
            await connection.execute(f'create role "{role}" login')
        await connection.execute(f"alter role \"{role}\" password '{self._passwords.of(role)}'")

    def _url_of(self, database: str, user: str | None = None) -> str:
        parts = urlsplit(self._url)
        netloc = parts.netloc
        if user:
            netloc = f"{user}:{self._passwords.of(user)}@{netloc.rpartition('@')[2]}"
        return urlunsplit((parts.scheme, netloc, f"/{database}", parts.query, ""))
