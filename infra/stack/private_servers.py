"""Provides real servers for tests: quick to start, kill and restart, and removed afterwards."""

import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

from infra.stack.accounts import unprivileged_account
from infra.stack.binaries import find_postgres, find_rabbitmq
from infra.stack.broker import BrokerUrls, RabbitNode
from infra.stack.errors import NoProvider
from infra.stack.images import docker_works
from infra.stack.part import Part, RunningPart
from infra.stack.passwords import Passwords
from infra.stack.ports import Ports
from infra.stack.postgres import PostgresNode
from infra.stack.postgres_cluster import Cluster
from infra.stack.provision import BROKER, POSTGRES, Kind, Provider, forced_provider, installation_advice
from infra.stack.roles import DatabaseUrls, PostgresServer


class PrivateServer:
    """A server that a test controls."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._running: RunningPart | None = None

    async def start(self) -> None:
        """Launch the server and wait until it is ready. It keeps the data of an earlier run."""
        self._running = await self._part.launch()
        await self._part.wait_until_ready(self._running)

    async def kill(self) -> None:
        """Kill the server at once (SIGKILL), as a crash would."""
        if self._running:
            self._running.kill()
            await self._running.wait()

    def pause(self) -> None:
        """Make the server hang with its connections open (SIGSTOP)."""
        if self._running:
            self._running.pause()

    def resume(self) -> None:
        """Resume the server after a pause."""
        if self._running:
            self._running.resume()

    async def stop(self) -> None:
        """Stop the server gracefully."""
        if self._running:
            await self._running.stop()


class PrivateBroker(PrivateServer):
    """A RabbitMQ for one test.

    RabbitMQ before 4.0 takes up to half a second to store the name of a new quorum queue. If it is killed sooner, the
    messages in the queue are lost.
    """

    def __init__(self, part: Part, urls: BrokerUrls) -> None:
        super().__init__(part)
        self.urls = urls

    async def run_rabbitmqctl(self, *arguments: str) -> None:
        """Run `rabbitmqctl ARGUMENTS`, for what the management API does not offer.

        Raises `LocalError` if that fails, or RabbitMQ does not run from programs on this machine.
        """
        if not isinstance(self._part, RabbitNode):
            raise NoProvider("rabbitmqctl needs RabbitMQ installed on this machine.", installation_advice([BROKER]))
        await self._part.run_rabbitmqctl(*arguments)


class PrivatePostgres(PrivateServer):
    """A PostgreSQL server for one test, with a database for each service that needs one."""

    def __init__(self, part: Part, server: PostgresServer) -> None:
        super().__init__(part)
        self.server = server

    async def create_database(self, service: str) -> DatabaseUrls:
        """Create the service's database with its roles, unless it exists, and return its URLs."""
        return await self.server.create_database(service)


@contextlib.asynccontextmanager
async def private_broker(directory: Path | None = None) -> AsyncIterator[PrivateBroker]:
    """Start a broker for a test, and yield it once it is ready.

    It runs from the programs on this machine. If there are none and no other provider is forced, it runs in Docker.
    Without a `directory`, nothing remains afterwards. Raises `NoProvider` if neither can be used.
    """
    with _server_directory(directory) as home, _ports() as ports:
        passwords, log = Passwords(home / "passwords.json"), home / "broker.log"
        urls = BrokerUrls("127.0.0.1", ports.of("broker"), ports.of("management"), passwords.of("broker-admin"))
        binaries = find_rabbitmq()
        if binaries:
            part: Part = RabbitNode(home / "broker", urls, binaries=binaries, ports=ports, log=log)
        else:
            _require_docker(BROKER)
            from infra.stack.containers import broker_container

            part = broker_container(urls, stack=home.name, log=log)
        broker = PrivateBroker(part, urls)
        try:
            await broker.start()
            yield broker
        finally:
            await broker.kill()
            _remove_volumes(part, home)


@contextlib.asynccontextmanager
async def private_postgres(
    directory: Path | None = None, *, databases: Iterable[str] = ()
) -> AsyncIterator[PrivatePostgres]:
    """Start a PostgreSQL server for a test, and yield it once it is ready and has these services' databases.

    It runs from the programs on this machine. If there are none and no other provider is forced, it runs in Docker.
    Without a `directory`, nothing remains afterwards. If this process is root, the account `postgres` must be able to
    enter a given `directory`. Raises `NoProvider` if neither programs nor Docker can be used.
    """
    with _server_directory(directory) as home, _ports() as ports:
        passwords, log, port = Passwords(home / "passwords.json"), home / "postgres.log", ports.of("postgres")
        password = passwords.of("postgres")
        server = PostgresServer(f"postgresql://postgres:{password}@127.0.0.1:{port}", passwords)
        binaries = tuple(find_postgres())
        if binaries:
            cluster = Cluster(home / "postgres", binaries, unprivileged_account())
            part: Part = PostgresNode("postgres", cluster, server, port=port, password=password, log=log)
        else:
            _require_docker(POSTGRES)
            from infra.stack.containers import postgres_container

            part = postgres_container("postgres", server, port=port, password=password, stack=home.name, log=log)
        postgres = PrivatePostgres(part, server)
        try:
            await postgres.start()
            for service in databases:
                await postgres.create_database(service)
            yield postgres
        finally:
            await postgres.stop()
            _remove_volumes(part, home)


@contextlib.contextmanager
def _server_directory(directory: Path | None) -> Iterator[Path]:
    if directory:
        yield directory
        return
    with tempfile.TemporaryDirectory(prefix="marketplace-") as temporary:
        Path(temporary).chmod(0o711)  # Postgres may run as another account
        yield Path(temporary)


@contextlib.contextmanager
def _ports() -> Iterator[Ports]:
    ports = Ports()
    try:
        yield ports
    finally:
        ports.release()


def _require_docker(kind: Kind) -> None:
    if forced_provider() not in (None, Provider.DOCKER) or not docker_works():
        raise NoProvider(f"{kind.name} cannot be found.", installation_advice([kind]))


def _remove_volumes(part: Part, home: Path) -> None:
    if not isinstance(part, RabbitNode | PostgresNode):
        from infra.stack.containers import remove_volumes

        remove_volumes(home.name)
