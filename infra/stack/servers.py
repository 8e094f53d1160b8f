"""Builds the servers that a stack needs as parts: the broker, and a PostgreSQL for each service."""

from collections.abc import Sequence
from functools import cached_property

from infra.stack.accounts import unprivileged_account
from infra.stack.binaries import find_postgres, find_rabbitmq
from infra.stack.broker import BrokerUrls, RabbitNode
from infra.stack.errors import LocalError
from infra.stack.external_servers import ExternalServer, given_broker, given_database
from infra.stack.layout import Layout
from infra.stack.part import Part
from infra.stack.passwords import Passwords
from infra.stack.ports import Ports
from infra.stack.postgres import PostgresNode
from infra.stack.postgres_cluster import Cluster, Template
from infra.stack.programs import PreparedPart
from infra.stack.provision import BROKER, POSTGRES, Kind, Provider, provide
from infra.stack.roles import PostgresServer


def required_kinds(services: Sequence[str]) -> dict[Kind, bool]:
    """Return the kinds of server that a stack needs, and whether the environment gives all addresses of each kind."""
    return {BROKER: given_broker() is not None, POSTGRES: all(map(given_database, services))}


class Servers:
    """The servers of one stack. It chooses their providers when it is created, and then builds the parts."""

    def __init__(self, layout: Layout, services: Sequence[str], ports: Ports, passwords: Passwords) -> None:
        self._layout, self._ports, self._passwords = layout, ports, passwords
        self._provider = provide(required_kinds(services), lambda _: None)
        self.databases = {name: self._postgres_server(name) for name in services}

    def add(self, service: str) -> None:
        """Add the server of a service that was written since the stack started."""
        self.databases[service] = self._postgres_server(service)

    @property
    def providers(self) -> dict[str, str]:
        """Maps the name of each kind of server to its provider."""
        return {kind.name: provider.value for kind, provider in self._provider.items()}

    @property
    def given(self) -> list[str]:
        """The names of the parts that run elsewhere, which the supervisor neither starts nor ends."""
        databases = [f"{service}-db" for service in self.databases if given_database(service)]
        return [*(["broker"] if given_broker() else []), *databases]

    @cached_property
    def broker_urls(self) -> BrokerUrls:
        """The broker's address and credentials."""
        ports = self._ports
        return given_broker() or BrokerUrls(
            "127.0.0.1", ports.of("broker"), ports.of("management"), self._passwords.of("broker-admin")
        )

    def broker_part(self) -> Part:
        """Return the broker as a part. Raises `LocalError` if RabbitMQ is no longer installed."""
        log, urls = self._layout.log("broker"), self.broker_urls
        if given_broker():
            return ExternalServer("broker", urls.is_ready)
        if self._provider[BROKER] is Provider.DOCKER:
            from infra.stack.containers import broker_container

            return broker_container(urls, stack=self._layout.name, log=log)
        binaries = find_rabbitmq()
        if binaries is None:
            raise LocalError(
                "RabbitMQ is no longer installed.", "Run ./marketplace up again to choose another provider."
            )
        for name in ("epmd", "dist"):  # reserved now, so that they get into the state file
            self._ports.of(name)
        return RabbitNode(self._layout.directory / "broker", urls, binaries=binaries, ports=self._ports, log=log)

    def database_part(self, service: str) -> Part:
        """Return a service's database server as a part. When it is ready, it contains the service's database."""
        server = self.databases[service]

        async def prepare() -> None:
            if not given_database(service):
                await server.reset_settings()
            await server.create_database(service)

        return PreparedPart(self._unprepared_database_part(service), prepare)

    def _unprepared_database_part(self, service: str) -> Part:
        name = f"{service}-db"
        server, log = self.databases[service], self._layout.log(name)
        if given_database(service):
            return ExternalServer(name, server.is_ready)
        port, password = self._ports.of(name), self._passwords.of("postgres")
        if self._provider[POSTGRES] is Provider.DOCKER:
            from infra.stack.containers import postgres_container

            return postgres_container(name, server, port=port, password=password, stack=self._layout.name, log=log)
        return PostgresNode(
            *(name, self._cluster(name), server), port=port, password=password, log=log, template=self._template
        )

    @cached_property
    def _template(self) -> Template:
        return Template(self._cluster("template"), self._passwords.of("postgres"))

    def _cluster(self, name: str) -> Cluster:
        return Cluster(self._layout.directory / name, tuple(find_postgres()), unprivileged_account())

    def _postgres_server(self, service: str) -> PostgresServer:
        own_server_url = f"postgresql://postgres:{self._passwords.of('postgres')}@127.0.0.1"
        return PostgresServer(
            given_database(service) or f"{own_server_url}:{self._ports.of(f'{service}-db')}", self._passwords
        )
