"""Defines the servers that a test uses, by their addresses. The caller starts and stops them."""

from dataclasses import dataclass

import aiohttp
import asyncpg
from yarl import URL

PASSWORD = "conformance-kit"  # noqa: S105 - of users that a test creates on its own servers
CREATE_ROLE = """
do $$ begin
    create role "{role}" login password '{password}';
exception when duplicate_object then null; end $$
"""


@dataclass(frozen=True)
class Servers:
    """Holds the addresses of a RabbitMQ and a PostgreSQL server, best shared by a whole test session."""

    amqp: str
    """The broker's address. The user in it is replaced: services have users of their own."""
    management: str
    """The address of the broker's management API, with an administrator's name and password."""
    postgres: str
    """The address of any database on the server, as a superuser."""

    def amqp_of(self, service: str) -> str:
        """Return the broker's address for a service's own user, whose password is `PASSWORD`."""
        return str(URL(self.amqp).with_user(service).with_password(PASSWORD))

    async def manage(self, method: str, path: str, body: object = None, *, missing_ok: bool = False) -> None:
        """Send a request to the management API.

        Raises ClientResponseError if it fails, except with status 404 if `missing_ok`.
        """
        url = URL(f"{self.management.rstrip('/')}/api/{path}", encoded=True)
        async with aiohttp.ClientSession() as http, http.request(method, url, json=body) as answer:
            if not (missing_ok and answer.status == 404):
                answer.raise_for_status()

    async def create_database(self, name: str) -> tuple[str, str]:
        """Create a database, a role that owns it and one that uses it, unless they exist.

        Returns the database's address for the owner and for the user.
        """
        owner, user = f"{name}_owner", name
        connection = await asyncpg.connect(self.postgres)
        try:
            for role in (owner, user):
                await connection.execute(CREATE_ROLE.format(role=role, password=PASSWORD))
            if not await connection.fetchval("select true from pg_database where datname = $1", name):
                await connection.execute(f'create database "{name}" owner "{owner}"')
        finally:
            await connection.close()
        at = URL(self.postgres).with_path(f"/{name}").with_password(PASSWORD)
        return str(at.with_user(owner)), str(at.with_user(user))
