"""Real servers for a test: quick to get, to kill and to start again, and gone afterwards."""

import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

from infra.stack.accounts import unprivileged_account
from infra.stack.binaries import find_postgres, find_rabbitmq
from infra.stack.broker import BrokerUrls, RabbitNode
from infra.stack.errors import NothingProvides
from infra.stack.images import docker_works
from infra.stack.part import Part, Running
from infra.stack.passwords import Passwords
from infra.stack.ports import Ports
from infra.stack.postgres import PostgresNode
from infra.stack.postgres_cluster import Cluster
from infra.stack.provision import BROKER, POSTGRES, Kind, Provider, forced_provider, how_to_get
from infra.stack.roles import DatabaseUrls, PostgresServer


class PrivateServer:
    """A server in the hands of a test."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._running: Running | None = None

    async def start(self) -> None:
        """Launch it and wait until it serves; with the data it had, if it ran before."""
        self._running = await self._part.launch()
        await self._part.ready(self._running)

    async def kill(self) -> None:
        """End it at once (SIGKILL), as a crash would."""
        if self._running:
            self._running.kill()
            await self._running.wait()

    def pause(self) -> None:
        """Have it hang, with its connections open (SIGSTOP)."""
        if self._running:
            self._running.pause()

    def resume(self) -> None:
        """Let it go on."""
        if self._running:
            self._running.resume()

    async def stop(self) -> None:
        """End it gracefully."""
        if self._running:
            await self._running.stop()


class PrivateBroker(PrivateServer):
    """A RabbitMQ of a test's own.

    RabbitMQ before 4.0 writes the name of a new quorum queue down within half a second: killed sooner, it
    has forgotten what the queue held.
    """

    def __init__(self, part: Part, urls: BrokerUrls) -> None:
        super().__init__(part)
        self.urls = urls

    async def control(self, *arguments: str) -> None:
        """`rabbitmqctl ARGUMENTS`, for what its management API does not offer. Raises `LocalError`."""
        if not isinstance(self._part, RabbitNode):
            raise NothingProvides("This needs a RabbitMQ that is installed here.", how_to_get([BROKER]))
        await self._part.control(*arguments)


class PrivatePostgres(PrivateServer):
    """A PostgreSQL of a test's own, with a database for each service that asks."""

    def __init__(self, part: Part, server: PostgresServer) -> None:
        super().__init__(part)
        self.server = server

    async def create_database(self, service: str) -> DatabaseUrls:
        """The service's database with its roles, made now if it is not there."""
        return await self.server.create_database(service)


@contextlib.asynccontextmanager
async def private_broker(directory: Path | None = None) -> AsyncIterator[PrivateBroker]:
    """A broker for a test, ready, by the programs on this machine or else by Docker, if no other provider is forced.

    Without a `directory` it leaves nothing behind. Raises `NothingProvides`.
    """
    with _home(directory) as home, _ports() as ports:
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
            _leave_no_volume(part, home)


@contextlib.asynccontextmanager
async def private_postgres(
    directory: Path | None = None, *, databases: Iterable[str] = ()
) -> AsyncIterator[PrivatePostgres]:
    """A server for a test, ready, with a database for each of these services.

    Without a `directory` it leaves nothing behind; one that is given must be enterable by the account
    `postgres` where we are root. By the programs on this machine or else by Docker, if no other provider is forced.
    Raises `NothingProvides`.
    """
    with _home(directory) as home, _ports() as ports:
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
            _leave_no_volume(part, home)


@contextlib.contextmanager
def _home(directory: Path | None) -> Iterator[Path]:
    if directory:
        yield directory
        return
    with tempfile.TemporaryDirectory(prefix="marketplace-") as temporary:
        Path(temporary).chmod(0o711)  # Postgres may run as somebody else
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
        raise NothingProvides(f"{kind.name} cannot be found.", how_to_get([kind]))


def _leave_no_volume(part: Part, home: Path) -> None:
    if not isinstance(part, RabbitNode | PostgresNode):
        from infra.stack.containers import remove_volumes

        remove_volumes(home.name)
