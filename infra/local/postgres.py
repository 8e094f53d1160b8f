"""A private PostgreSQL server on the loopback."""

import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGINT, SIGQUIT

from infra.local.accounts import give_to, unprivileged_account
from infra.local.binaries import find_postgres
from infra.local.cluster import Cluster
from infra.local.errors import NothingProvides
from infra.local.part import Running
from infra.local.passwords import Passwords, write_private
from infra.local.ports import Ports
from infra.local.processes import Command, base_environment, spawn
from infra.local.readiness import until_ready
from infra.local.roles import DatabaseUrls, PostgresServer
from infra.local.server import Server

START_WITHIN_S = 60.0

CONFIGURATION = """\
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
max_connections = 100
shared_buffers = 48MB
max_wal_size = 512MB
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d '
"""
"""fsync stays on: durability is what we promise."""


class PrivatePostgres(Server):
    """A server of our own on the loopback, that forgets nothing between two launches."""

    def __init__(
        self,
        name: str,
        cluster: Cluster,
        *,
        port: int,
        passwords: Passwords,
        log: Path,
        template: Cluster | None = None,
    ) -> None:
        self.name = name
        self.server = PostgresServer(f"postgresql://postgres:{passwords.of('postgres')}@127.0.0.1:{port}", passwords)
        self._cluster = cluster
        self._template = template
        self._port = port
        self._password = passwords.of("postgres")
        self._log = log

    async def launch(self) -> Running:
        """Make the data directory if there is none, write the configuration, and start the server."""
        if self._template:
            await self._cluster.copy(self._template)
        else:
            await self._cluster.create(self._password)
        self._cluster.forget_stale_lock()
        settings = self._cluster.directory / "postgresql.conf"
        write_private(settings, CONFIGURATION.format(port=self._port))
        give_to(settings, self._cluster.account)
        return await spawn(
            Command(
                argv=(
                    *(self._cluster.program("postgres"), "-D", str(self._cluster.data)),
                    *("-c", f"config_file={settings}"),
                ),
                env=base_environment(),
                cwd=self._cluster.data,
                log=self._log,
                account=self._cluster.account,
                stop_signal=SIGINT,  # "fast": sessions end, nothing is lost
                dies_by=SIGQUIT,  # "immediate": the server takes its own children along
            )
        )

    async def ready(self, running: Running) -> None:
        """Return once it answers a query."""
        await until_ready(self.server.answers, running, name=self.name, within_s=START_WITHIN_S, log=str(self._log))

    async def create_database(self, service: str) -> DatabaseUrls:
        """The service's database with its roles, made now if it is not there."""
        return await self.server.create_database(service)


@asynccontextmanager
async def private_postgres(
    directory: Path | None = None, *, databases: Iterable[str] = ()
) -> AsyncIterator[PrivatePostgres]:
    """A server for a test, ready, with a database for each of these services; gone afterwards.

    Without a `directory` it leaves nothing behind; one that is given must be enterable by the account
    `postgres` where we are root. Raises `NothingProvides` where PostgreSQL is not installed.
    """
    binaries = tuple(find_postgres())
    if not binaries:
        raise NothingProvides("PostgreSQL 15 to 18 is not installed.", "apt-get install postgresql")
    with tempfile.TemporaryDirectory(prefix="marketplace-postgres-") as temporary:
        home = directory or Path(temporary)
        if directory is None:
            home.chmod(0o711)
        ports = Ports()
        postgres = PrivatePostgres(
            "postgres",
            Cluster(home / "postgres", binaries, unprivileged_account()),
            port=ports.of("postgres"),
            passwords=Passwords(home / "passwords.json"),
            log=home / "postgres.log",
        )
        try:
            await postgres.start()
            for service in databases:
                await postgres.create_database(service)
            yield postgres
        finally:
            await postgres.stop()
            ports.release()
