"""Runs a private PostgreSQL server on the loopback."""

from pathlib import Path
from signal import SIGINT, SIGQUIT

from infra.stack.accounts import change_owner
from infra.stack.part import RunningPart
from infra.stack.passwords import write_private
from infra.stack.postgres_cluster import Cluster, Template
from infra.stack.processes import Command, base_environment, spawn
from infra.stack.readiness import wait_until_ready
from infra.stack.roles import PostgresServer

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
"""Content of postgresql.conf. fsync stays on, because the marketplace promises durability."""


class PostgresNode:
    """A PostgreSQL server on the loopback as a part. It keeps its data between two launches."""

    def __init__(
        self,
        name: str,
        cluster: Cluster,
        server: PostgresServer,
        *,
        port: int,
        password: str,
        log: Path,
        template: Template | None = None,
    ) -> None:
        self.name = name
        self._cluster = cluster
        self._server = server
        self._port = port
        self._password = password
        self._log = log
        self._template = template

    async def launch(self) -> RunningPart:
        """Create the data directory if there is none, write the configuration, and start the server."""
        if self._template:
            await self._template.copy_to(self._cluster)
        else:
            await self._cluster.create(self._password)
        self._cluster.remove_stale_lock()
        settings = self._cluster.directory / "postgresql.conf"
        write_private(settings, CONFIGURATION.format(port=self._port))
        change_owner(settings, self._cluster.account)
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
                stop_signal=SIGINT,  # "fast" shutdown: sessions end, no data is lost
                parent_death_signal=SIGQUIT,  # "immediate" shutdown: the server ends its own children, too
            )
        )

    async def wait_until_ready(self, running: RunningPart) -> None:
        """Return once the server accepts connections. Raises `NotReady` after 60 s, or if it ends first."""
        await wait_until_ready(
            self._server.is_ready, running, name=self.name, within_s=START_WITHIN_S, log=str(self._log)
        )
