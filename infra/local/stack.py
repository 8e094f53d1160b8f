"""A stack's parts, put together from its state, its secrets and its providers."""

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from infra.local.accounts import unprivileged_account
from infra.local.binaries import find_postgres, find_rabbitmq
from infra.local.broker import BrokerUrls, RabbitNode
from infra.local.cluster import Cluster, Template
from infra.local.elsewhere import Elsewhere, given_broker, given_database
from infra.local.environment import World, given_settings, services_of, webhook_secret
from infra.local.errors import LocalError, NotReady, StackIsDown
from infra.local.layout import CHECKOUT, Layout
from infra.local.links import Links
from infra.local.part import Part
from infra.local.passwords import Passwords, write_private
from infra.local.ports import Ports
from infra.local.postgres import PostgresNode
from infra.local.processes import Command, base_environment, spawn
from infra.local.programs import Prepared, Program
from infra.local.provision import BROKER, POSTGRES, Kind, Provider, provide
from infra.local.roles import AUDIT, PostgresServer
from infra.local.state import ServiceState, StackState, read_state

DECLARE_WITHIN_S = 60.0
MOST_SAID = 4000


@dataclass(frozen=True)
class Programs:
    """Which programs a stack runs; tests run toys."""

    services: Sequence[str]
    service: Callable[[str], tuple[str, ...]]
    outside: tuple[str, ...]
    declare: tuple[str, ...]
    proxy: tuple[str, ...]
    checkout: Path


def marketplace() -> Programs:
    """The programs of this checkout."""
    return Programs(
        services=services_of(CHECKOUT),
        service=lambda name: (sys.executable, "-m", name),
        outside=(sys.executable, "-m", "infra.outside"),
        declare=(sys.executable, "-m", "infra.runtime", "declare"),
        proxy=(sys.executable, "-m", "infra.chaos.proxy"),
        checkout=CHECKOUT,
    )


def given_kinds(services: Sequence[str]) -> dict[Kind, bool]:
    """The kinds of server that a stack needs, and whether the environment gives all addresses of a kind."""
    return {BROKER: given_broker() is not None, POSTGRES: all(map(given_database, services))}


class Stack:
    """Everything that one stack consists of. It makes parts; the supervisor keeps them."""

    def __init__(self, layout: Layout, programs: Programs, *, faultable: bool = False) -> None:
        layout.create()
        self.layout = layout
        self.programs = programs
        self.state = _remembered(layout)
        self.ports = Ports(self.state.ports)
        self._links = Links(self.ports, faultable=faultable)
        self._passwords = Passwords(layout.passwords)
        providers = provide(given_kinds(programs.services), lambda _: None)
        self.state.providers = {kind.name: provider.value for kind, provider in providers.items()}
        self._database_provider = providers[POSTGRES]
        self._servers = {name: self._server(name) for name in programs.services}
        self._template = Template(self._cluster("template"), self._passwords.of("postgres"))
        self._world = World(
            checkout=programs.checkout,
            outside_port=self.ports.of("outside"),
            smtp_port=self.ports.of("smtp"),
            webhook_secret=webhook_secret(layout.directory / "webhook-secret"),
            delivery_url=self._http("delivery"),
            links=self._links,
        )
        self.broker, self.broker_urls = self._broker(providers[BROKER])
        self.databases = {name: self._database(name) for name in programs.services}
        self.outside = self._outside()
        self.proxy = self._proxy() if faultable else None
        self._describe()

    def service(self, name: str, number: int) -> Part:
        """The replica `name.number` of a service, written down in the state file."""
        replica = f"{name}.{number}"
        database = self._servers[name].urls(name)
        ops = self.own_port(name, number)
        self.state.services[name].ops[replica] = f"http://127.0.0.1:{ops}"
        broker_url = self.broker_urls.amqp_of(name, self._passwords.of(f"broker-{name}"))
        env = self._world.for_service(
            database_url=self._links.through(f"{name}:db", database.app),
            owner_url=self._links.through(f"{name}:db", database.owner),
            broker_url=self._links.through(f"{name}:broker", broker_url),
            http_port=self.http_port(name),
            ops_port=ops,
        )
        self.save()
        return Program(
            name=replica,
            argv=self.programs.service(name),
            env=env,
            cwd=self.layout.directory,
            log=self.layout.log(replica),
            ready_url=f"http://127.0.0.1:{ops}/readyz",
        )

    def http_port(self, service: str) -> int:
        """Where a service is found; its replicas share it."""
        return self.ports.of(f"{service}-http")

    def own_port(self, service: str, number: int) -> int:
        """Where one replica is found."""
        return self.ports.of(f"{service}.{number}-ops")

    def forget_replica(self, name: str, number: int) -> None:
        """Take a replica that is gone out of the state file."""
        self.state.services[name].ops.pop(f"{name}.{number}", None)
        self.save()

    async def declare(self) -> None:
        """Declare the broker's topology, users and permissions. Raises `NotReady` with what is in the way."""
        log = self.layout.log("declare")
        log.unlink(missing_ok=True)
        running = await spawn(
            Command(
                argv=self.programs.declare,
                env=base_environment()
                | {
                    "PYTHONPATH": str(self.programs.checkout),
                    "BROKER_MANAGEMENT_URL": self.broker_urls.management,
                    "SERVICE_PASSWORDS_FILE": str(self.layout.service_passwords),
                },
                cwd=self.layout.directory,
                log=log,
                stop_within_s=DECLARE_WITHIN_S,
            )
        )
        try:
            code = await running.wait()
        finally:
            running.kill()
        if code != 0:
            raise NotReady(f"Declaring the broker's topology failed with {code}. {_said(log)}".strip(), f"See {log}")

    def save(self) -> None:
        """Write the state file, and what the proxy reads."""
        self.state.links = self._links.names
        if self._links.faultable:
            self._links.write(self.layout.links)
        self.state.ports = self.ports.as_dict()
        self.state.write(self.layout.state)

    def _describe(self) -> None:
        users = (*self.programs.services, AUDIT)
        passwords = {name: self._passwords.of(f"broker-{name}") for name in users}
        write_private(self.layout.service_passwords, json.dumps(passwords))
        auditor = replace(self.broker_urls, user=AUDIT, password=passwords[AUDIT])
        self.state.broker = {
            "amqp": self.broker_urls.amqp,
            "management": self.broker_urls.management,
            "audit_amqp": auditor.amqp,
            "audit_management": auditor.management,
        }
        self.state.settings = given_settings()
        self.state.outside, self.state.issuer = self._world.outside, self._world.issuer
        self.state.proxy = f"http://127.0.0.1:{self.ports.of('proxy')}" if self.proxy else ""
        self.state.secrets = {
            "passwords": str(self.layout.passwords),
            "service_passwords": str(self.layout.service_passwords),
        }
        self.state.services = {
            name: ServiceState(http=self._http(name), ops={}, database=asdict(server.urls(name)))
            for name, server in self._servers.items()
        }
        self.save()

    def _http(self, service: str) -> str:
        return f"http://127.0.0.1:{self.http_port(service)}"

    def _broker(self, provider: Provider) -> tuple[Part, BrokerUrls]:
        log = self.layout.log("broker")
        if given := given_broker():
            return Elsewhere("broker", given.answers), given
        ports = self.ports.of("broker"), self.ports.of("management")
        urls = BrokerUrls("127.0.0.1", *ports, self._passwords.of("broker-admin"))
        if provider is Provider.DOCKER:
            from infra.local.containers import broker_container

            return broker_container(urls, stack=self.layout.name, log=log), urls
        binaries = find_rabbitmq()
        if binaries is None:
            raise LocalError("RabbitMQ went away.", "Try again.")
        for name in ("epmd", "dist"):  # now, so that they are remembered
            self.ports.of(name)
        directory = self.layout.directory / "broker"
        return RabbitNode(directory, urls, binaries=binaries, ports=self.ports, log=log), urls

    def _server(self, service: str) -> PostgresServer:
        own = f"postgresql://postgres:{self._passwords.of('postgres')}@127.0.0.1"
        url = given_database(service) or f"{own}:{self.ports.of(f'{service}-db')}"
        return PostgresServer(url, self._passwords)

    def _database(self, service: str) -> Part:
        server = self._servers[service]

        async def prepare() -> None:
            if not given_database(service):
                await server.forget_what_was_set()
            await server.create_database(service)

        return Prepared(self._database_part(service), prepare)

    def _database_part(self, service: str) -> Part:
        name = f"{service}-db"
        server, log = self._servers[service], self.layout.log(name)
        if given_database(service):
            return Elsewhere(name, server.answers)
        port, password = self.ports.of(name), self._passwords.of("postgres")
        if self._database_provider is Provider.DOCKER:
            from infra.local.containers import postgres_container

            return postgres_container(name, server, port=port, password=password, stack=self.layout.name, log=log)
        return PostgresNode(
            *(name, self._cluster(name), server),
            port=port,
            password=password,
            log=log,
            template=self._template,
        )

    def _cluster(self, name: str) -> Cluster:
        return Cluster(self.layout.directory / name, tuple(find_postgres()), unprivileged_account())

    def _outside(self) -> Part:
        directory = self.layout.directory / "outside"
        directory.mkdir(mode=0o700, exist_ok=True)
        return Program(
            name="outside",
            argv=self.programs.outside,
            env=self._world.for_outside(directory),
            cwd=directory,
            log=self.layout.log("outside"),
            ready_url=f"{self._world.outside}/livez",
        )

    def _proxy(self) -> Part:
        """The fault proxy: it knows its links once the services were put together."""
        port = self.ports.of("proxy")
        return Program(
            name="proxy",
            argv=(*self.programs.proxy, str(self.layout.links), str(port)),
            env={"PYTHONPATH": str(self.programs.checkout), "PYTHONSAFEPATH": "1"},
            cwd=self.layout.directory,
            log=self.layout.log("proxy"),
            ready_url=f"http://127.0.0.1:{port}/livez",
        )


def forget(layout: Layout) -> None:
    """Remove everything that a stack which is down has left: data, logs, addresses and secrets."""
    if Provider.DOCKER in _remembered(layout).providers.values():
        from infra.local.containers import remove_volumes

        remove_volumes(layout.name)
    shutil.rmtree(layout.directory, ignore_errors=True)


def _said(log: Path) -> str:
    """What a program wrote, where that is meant for people: no traceback."""
    text = log.read_text(errors="replace").strip() if log.exists() else ""
    return "" if "Traceback" in text else text[-MOST_SAID:]


def _remembered(layout: Layout) -> StackState:
    try:
        return read_state(layout.state)
    except StackIsDown:
        return StackState(stack=layout.name)
