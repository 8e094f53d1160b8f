"""Builds a stack's parts from its state, its secrets and its providers."""

import asyncio
import contextlib
import json
import os
import shutil
from dataclasses import asdict, replace
from typing import Any
from urllib.request import Request, urlopen

from infra.stack import gateway
from infra.stack.environment import SharedSettings, given_settings, webhook_secret
from infra.stack.errors import StackIsDown
from infra.stack.layout import Layout, python_path
from infra.stack.part import Part
from infra.stack.passwords import Passwords, write_private
from infra.stack.ports import Ports
from infra.stack.programs import Program
from infra.stack.provision import Provider
from infra.stack.proxy_links import Links
from infra.stack.roles import AUDIT
from infra.stack.servers import Servers
from infra.stack.stack_programs import Programs, run_to_end
from infra.stack.state import ServiceState, StackState, read_state


class Stack:
    """All parts of one stack, with their addresses and secrets. It creates the parts; the supervisor runs them."""

    def __init__(self, layout: Layout, programs: Programs, *, faultable: bool = False) -> None:
        layout.create()
        self.layout = layout
        self.programs = programs
        self.state = _stored_state(layout)
        self.state.services = {}  # their replicas of an earlier run are gone
        self.ports = Ports(self.state.ports)
        self._links = Links(self.ports, faultable=faultable)
        self._passwords = Passwords(layout.passwords)
        self._exposure: gateway.Exposure | None = None
        servers = self._servers = Servers(layout, programs.services, self.ports, self._passwords)
        self.state.providers, self.state.given = servers.providers, servers.given
        self._shared_settings = SharedSettings(
            repository=programs.repository,
            stand_ins_port=self.ports.of("outside"),
            smtp_port=self.ports.of("smtp"),
            webhook_secret=webhook_secret(layout.directory / "webhook-secret"),
            gateway_url=f"http://127.0.0.1:{self.ports.of(gateway.NAME)}",
            links=self._links,
        )
        self.broker, self.broker_urls = servers.broker_part(), servers.broker_urls
        self.databases = {name: servers.database_part(name) for name in programs.services}
        self.stand_ins = self._stand_ins()
        self.gateway_configuration = self._gateway_configuration()
        self.gateway = gateway.Gateway(
            gateway.find_envoy(), self.gateway_configuration, self._read_exposure, layout.log(gateway.NAME)
        )
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
            http_port=self.http_port(name, number),
            ops_port=ops,
        )
        self.gateway_port(name, number)  # if it is a link's, `save` writes the link to the proxy's file
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

    def http_port(self, service: str, number: int) -> int:
        """Return the HTTP port of one replica."""
        return self.ports.of(f"{service}.{number}-http")

    def gateway_port(self, service: str, number: int) -> int:
        """Return the port at which the gateway reaches a replica: the link's port, if the stack is faultable."""
        return self._links.port(f"gateway:{service}.{number}", "127.0.0.1", self.http_port(service, number))

    def ops_port(self, service: str, number: int) -> int:
        """Return the operations port of one replica."""
        return self.ports.of(f"{service}.{number}-ops")

    def add_service(self, name: str) -> Part:
        """Add a service that was written since the stack started, and return its database as a part.

        Its topology is declared by `declare`, and its routes are exposed when the gateway is reloaded.
        """
        self.programs = replace(self.programs, services=[*self.programs.services, name])
        self._exposure = None
        self._servers.add(name)
        self.databases[name] = self._servers.database_part(name)
        self._fill_state()
        return self.databases[name]

    def remove_service(self, name: str) -> str:
        """Remove a service that was added but could not be started. Returns the name of its database."""
        without = [each for each in self.programs.services if each != name]
        self.programs = replace(self.programs, services=without)
        self._exposure = None
        self._servers.databases.pop(name)
        self._fill_state()
        return self.databases.pop(name).name

    async def open_links(self) -> None:
        """Make a running fault proxy open the links to new replicas. If it is down, it opens them at its start."""
        if self.state.proxy:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(urlopen, Request(f"{self.state.proxy}/links", method="POST"), timeout=5)  # noqa: S310 - our own proxy

    def remove_replica(self, name: str, number: int) -> None:
        """Remove a replica that no longer exists from the state file."""
        self.state.services[name].ops.pop(f"{name}.{number}", None)
        self.save()

    async def _read_exposure(self) -> gateway.Exposure:
        """Return the routes that the services expose. Raises `NotReady` with the reason if that fails."""
        if self._exposure is None:
            output = self.layout.directory / "exposed.json"
            await self._run("exposed", self.programs.exposed, "Listing the services' routes", output=output)
            self._exposure = gateway.Exposure.parse(output.read_text())
        return self._exposure

    async def declare(self) -> None:
        """Declare the broker's topology, users and permissions. Raises `NotReady` with the reason if that fails."""
        environment = {
            "BROKER_MANAGEMENT_URL": self.broker_urls.management,
            "SERVICE_PASSWORDS_FILE": str(self.layout.service_passwords),
        }
        await self._run("declare", self.programs.declare, "Declaring the broker's topology", environment=environment)

    async def _run(self, name: str, program: tuple[str, ...], what: str, **options: Any) -> None:
        argv = (*program, *self.programs.services)
        await run_to_end(name, argv, what, self.layout, self.programs.repository, **options)

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
        self.state.gateway = {
            "http": self._shared_settings.gateway_url,
            "tls": f"https://127.0.0.1:{self.gateway_configuration.tls_port}",
            "authority": str(self.gateway_configuration.authority),
        }
        self.state.proxy = f"http://127.0.0.1:{self.ports.of('proxy')}" if self.proxy else ""
        self.state.secrets = {
            "passwords": str(self.layout.passwords),
            "service_passwords": str(self.layout.service_passwords),
        }
        replicas = {name: each.ops for name, each in self.state.services.items()}
        self.state.services = {
            name: ServiceState(http=self._http(name), ops=replicas.get(name, {}), database=asdict(server.urls(name)))
            for name, server in self._servers.databases.items()
        }
        self.save()

    def _http(self, service: str) -> str:
        return f"http://127.0.0.1:{self.http_port(service, 1)}"

    def _gateway_configuration(self) -> gateway.Configuration:
        return gateway.Configuration(
            directory=self.layout.directory / gateway.NAME,
            stack=self.layout.name,
            settings=gateway.GatewaySettings.of(os.environ),
            issuer=self._shared_settings.issuer,
            http_port=self.ports.of(gateway.NAME),
            tls_port=self.ports.of("gateway-tls"),
            admin_port=self.ports.of("gateway-admin"),
        )

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


def _stored_state(layout: Layout) -> StackState:
    try:
        return read_state(layout.state)
    except StackIsDown:
        return StackState(stack=layout.name)
