"""Builds a stack's parts from its state, its secrets and its providers."""

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from infra.stack.environment import SharedSettings, given_settings, services_of, webhook_secret
from infra.stack.errors import NotReady, StackIsDown
from infra.stack.layout import CHECKOUT, Layout, python_path
from infra.stack.part import Part
from infra.stack.passwords import Passwords, write_private
from infra.stack.ports import Ports
from infra.stack.processes import Command, base_environment, spawn
from infra.stack.programs import Program
from infra.stack.provision import Provider
from infra.stack.proxy_links import Links
from infra.stack.roles import AUDIT
from infra.stack.servers import Servers
from infra.stack.state import ServiceState, StackState, read_state

MAX_LOG_CHARACTERS = 4000


@dataclass(frozen=True)
class Programs:
    """The command lines of the programs that a stack runs. Tests use small substitutes."""

    services: Sequence[str]
    service: Callable[[str], tuple[str, ...]]
    stand_ins: tuple[str, ...]
    declare: tuple[str, ...]
    proxy: tuple[str, ...]
    repository: Path


def marketplace_programs() -> Programs:
    """Return the programs of this checkout."""
    return Programs(
        services=services_of(CHECKOUT),
        service=lambda name: (sys.executable, "-m", name),
        stand_ins=(sys.executable, "-m", "infra.lab.stand_ins"),
        declare=(sys.executable, "-m", "marketplace_runtime", "declare", *services_of(CHECKOUT)),
        proxy=(sys.executable, "-m", "infra.lab.chaos.proxy"),
        repository=CHECKOUT,
    )


class Stack:
    """All parts of one stack, with their addresses and secrets. It creates the parts; the supervisor runs them."""

    def __init__(self, layout: Layout, programs: Programs, *, faultable: bool = False) -> None:
        layout.create()
        self.layout = layout
        self.programs = programs
        self.state = _stored_state(layout)
        self.ports = Ports(self.state.ports)
        self._links = Links(self.ports, faultable=faultable)
        self._passwords = Passwords(layout.passwords)
        servers = self._servers = Servers(layout, programs.services, self.ports, self._passwords)
        self.state.providers, self.state.given = servers.providers, servers.given
        self._shared_settings = SharedSettings(
            repository=programs.repository,
            stand_ins_port=self.ports.of("outside"),
            smtp_port=self.ports.of("smtp"),
            webhook_secret=webhook_secret(layout.directory / "webhook-secret"),
            checkout_url=self._http("checkout"),
            delivery_url=self._http("delivery"),
            links=self._links,
        )
        self.broker, self.broker_urls = servers.broker_part(), servers.broker_urls
        self.databases = {name: servers.database_part(name) for name in programs.services}
        self.stand_ins = self._stand_ins()
        self.proxy = self._proxy() if faultable else None
        self._fill_state()

    def service(self, name: str, number: int) -> Part:
        """Return the replica `name.number` of a service as a part, and add it to the state file."""
        replica = f"{name}.{number}"
        database = self._servers.databases[name].urls(name)
        ops = self.ops_port(name, number)
        self.state.services[name].ops[replica] = f"http://127.0.0.1:{ops}"
        broker_url = self.broker_urls.amqp_of(name, self._passwords.of(f"broker-{name}"))
        env = self._shared_settings.service_environment(
            database_url=self._links.routed_url(f"{name}:db", database.app),
            owner_url=self._links.routed_url(f"{name}:db", database.owner),
            broker_url=self._links.routed_url(f"{name}:broker", broker_url),
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
            skew_file=self.layout.skew_file(name),
            ready_url=f"http://127.0.0.1:{ops}/readyz",
        )

    def http_port(self, service: str) -> int:
        """Return the HTTP port of a service, which its replicas share."""
        return self.ports.of(f"{service}-http")

    def ops_port(self, service: str, number: int) -> int:
        """Return the operations port of one replica."""
        return self.ports.of(f"{service}.{number}-ops")

    def remove_replica(self, name: str, number: int) -> None:
        """Remove a replica that no longer exists from the state file."""
        self.state.services[name].ops.pop(f"{name}.{number}", None)
        self.save()

    async def declare(self) -> None:
        """Declare the broker's topology, users and permissions. Raises `NotReady` with the reason if that fails."""
        log = self.layout.log("declare")
        log.unlink(missing_ok=True)
        running = await spawn(
            Command(
                argv=self.programs.declare,
                env=base_environment()
                | {
                    "PYTHONPATH": python_path(self.programs.repository),
                    "BROKER_MANAGEMENT_URL": self.broker_urls.management,
                    "SERVICE_PASSWORDS_FILE": str(self.layout.service_passwords),
                },
                cwd=self.layout.directory,
                log=log,
            )
        )
        try:
            code = await running.wait()
        finally:
            running.kill()
        if code != 0:
            raise NotReady(
                f"Declaring the broker's topology failed with exit code {code}. {_log_tail(log)}".strip(), f"See {log}"
            )

    def save(self) -> None:
        """Write the state file, and the proxy's file of links."""
        self.state.links = self._links.names
        if self._links.faultable:
            self._links.write(self.layout.links)
        self.state.ports = self.ports.as_dict()
        self.state.write(self.layout.state)

    def _fill_state(self) -> None:
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
        self.state.outside, self.state.issuer = self._shared_settings.stand_ins_url, self._shared_settings.issuer
        self.state.proxy = f"http://127.0.0.1:{self.ports.of('proxy')}" if self.proxy else ""
        self.state.secrets = {
            "passwords": str(self.layout.passwords),
            "service_passwords": str(self.layout.service_passwords),
        }
        self.state.services = {
            name: ServiceState(http=self._http(name), ops={}, database=asdict(server.urls(name)))
            for name, server in self._servers.databases.items()
        }
        self.save()

    def _http(self, service: str) -> str:
        return f"http://127.0.0.1:{self.http_port(service)}"

    def _stand_ins(self) -> Part:
        directory = self.layout.directory / "outside"
        directory.mkdir(mode=0o700, exist_ok=True)
        return Program(
            name="outside",
            argv=self.programs.stand_ins,
            env=self._shared_settings.stand_ins_environment(directory),
            cwd=directory,
            log=self.layout.log("outside"),
            ready_url=f"{self._shared_settings.stand_ins_url}/livez",
        )

    def _proxy(self) -> Part:
        """Return the fault proxy as a part. Its links are known once the services' parts were created."""
        port = self.ports.of("proxy")
        return Program(
            name="proxy",
            argv=(*self.programs.proxy, str(self.layout.links), str(port)),
            env={"PYTHONPATH": python_path(self.programs.repository), "PYTHONSAFEPATH": "1"},
            cwd=self.layout.directory,
            log=self.layout.log("proxy"),
            ready_url=f"http://127.0.0.1:{port}/livez",
        )


def delete_stack(layout: Layout) -> None:
    """Remove all data, logs, addresses and secrets of a stack that is down."""
    if Provider.DOCKER in _stored_state(layout).providers.values():
        from infra.stack.containers import remove_volumes

        remove_volumes(layout.name)
    shutil.rmtree(layout.directory, ignore_errors=True)


def _log_tail(log: Path) -> str:
    """Return the end of a program's log (`MAX_LOG_CHARACTERS` characters). Empty if it contains a traceback."""
    text = log.read_text(errors="replace").strip() if log.exists() else ""
    return "" if "Traceback" in text else text[-MAX_LOG_CHARACTERS:]


def _stored_state(layout: Layout) -> StackState:
    try:
        return read_state(layout.state)
    except StackIsDown:
        return StackState(stack=layout.name)
