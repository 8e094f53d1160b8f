"""Runs servers in Docker containers with testcontainers.

Testcontainers' reaper (Ryuk) removes the containers when this process ends, also when it is killed.
The generic container class is used. Testcontainers' RabbitMQ class would need a second AMQP library, and its RabbitMQ
and PostgreSQL classes bind to every interface.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient

from infra.stack.broker import BrokerUrls
from infra.stack.errors import LocalError
from infra.stack.images import BROKER_IMAGE, POSTGRES_IMAGE
from infra.stack.part import RunningPart
from infra.stack.readiness import wait_until_ready
from infra.stack.roles import PostgresServer

START_WITHIN_S = 60.0
REAP_AFTER = "1s"
"""Time after which the reaper removes the containers of a process that is gone."""


class RunningContainer:
    """A started container. Its output is appended to the part's log file."""

    pid = None

    def __init__(self, container: DockerContainer, log: Path) -> None:
        self._container = container
        self._log = log
        self._end = asyncio.ensure_future(asyncio.to_thread(self._wait))

    async def wait(self) -> int:
        """Wait until the container ends, and return its exit code."""
        return await asyncio.shield(self._end)

    def kill(self) -> None:
        """Kill the container at once. Does nothing if it has ended."""
        if not self._end.done():
            self._container.get_wrapped_container().kill()

    async def stop(self) -> None:
        """Stop the container gracefully, and kill it after 10 s."""
        if not self._end.done():
            await asyncio.to_thread(self._container.get_wrapped_container().stop, timeout=10)
        await self.wait()

    def pause(self) -> None:
        """Pause all processes in the container."""
        self._container.get_wrapped_container().pause()

    def resume(self) -> None:
        """Resume the processes in the container."""
        self._container.get_wrapped_container().unpause()

    def _wait(self) -> int:
        wrapped = self._container.get_wrapped_container()
        with self._log.open("ab", buffering=0) as log:
            for output in wrapped.logs(stream=True, follow=True):  # until the container ends
                log.write(output)
        code = int(wrapped.wait(timeout=None)["StatusCode"])
        self._container.stop(delete_volume=False)
        return code


@dataclass(frozen=True)
class Container:
    """A server in a container as a part. Its ports are on the loopback, and its data is in a named volume."""

    name: str
    image: str
    env: Mapping[str, str]
    ports: Mapping[int, int]
    """Maps each port in the container to a port on the loopback."""
    volume: str
    mounted_at: str
    is_ready: Callable[[], Awaitable[bool]]
    log: Path

    async def launch(self) -> RunningPart:
        """Pull the image if it is missing, and start a container. Raises `LocalError` if Docker cannot start it."""
        try:
            return RunningContainer(await asyncio.to_thread(self._start), self.log)
        except Exception as error:  # the Docker client's errors have no common class with a readable message
            raise LocalError(f"Docker could not start {self.image}: {error}", "See `docker info`.") from error

    async def wait_until_ready(self, running: RunningPart) -> None:
        """Return once the server answers. Raises `NotReady` after 60 s, or if the container ends first."""
        await wait_until_ready(self.is_ready, running, name=self.name, within_s=START_WITHIN_S, log=str(self.log))

    def _start(self) -> DockerContainer:
        testcontainers_config.ryuk_reconnection_timeout = REAP_AFTER
        container = DockerContainer(self.image, env=dict(self.env))
        container.with_volume_mapping(self.volume, self.mounted_at, "rw")
        loopback: dict[str, Any] = {f"{inside}/tcp": ("127.0.0.1", port) for inside, port in self.ports.items()}
        container.ports.update(loopback)  # with_bind_ports cannot bind to an address
        return container.start()


def broker_container(urls: BrokerUrls, *, stack: str, log: Path) -> Container:
    """Return a container of RabbitMQ with its management API."""
    return Container(
        name="broker",
        image=BROKER_IMAGE,
        env={
            "RABBITMQ_NODENAME": "marketplace@localhost",
            "RABBITMQ_DEFAULT_USER": urls.user,
            "RABBITMQ_DEFAULT_PASS": urls.password,
        },
        ports={5672: urls.amqp_port, 15672: urls.management_port},
        volume=_volume(stack, "broker"),
        mounted_at="/var/lib/rabbitmq",
        is_ready=partial(urls.is_ready, 5672),
        log=log,
    )


def postgres_container(
    name: str, server: PostgresServer, *, port: int, password: str, stack: str, log: Path
) -> Container:
    """Return a container of PostgreSQL with the superuser `postgres`."""
    return Container(
        name=name,
        image=POSTGRES_IMAGE,
        env={"POSTGRES_PASSWORD": password, "POSTGRES_INITDB_ARGS": "--auth=scram-sha-256"},
        ports={5432: port},
        volume=_volume(stack, name),
        mounted_at="/var/lib/postgresql/data",
        is_ready=server.is_ready,
        log=log,
    )


def run_inside(stack: str, part: str, *command: str) -> tuple[int, str]:
    """Run a program in the container of a part of this stack. Returns its exit code and its output.

    Raises `LocalError` if the part has no running container.
    """
    running = DockerClient().client.containers.list(filters={"volume": _volume(stack, part)})
    if not running:
        raise LocalError(f"{part} has no running container.", "Check that it is up: ./marketplace status")
    code, output = running[0].exec_run(list(command))
    return code, output.decode(errors="replace")


def remove_volumes(stack: str) -> None:
    """Remove the Docker volumes of this stack, and with them the data of its servers."""
    docker = DockerClient().client
    for volume in docker.volumes.list(filters={"name": _volume(stack, "")}):
        volume.remove()


def _volume(stack: str, part: str) -> str:
    return f"marketplace-{stack}-{part}"
