"""Runs a private RabbitMQ node with its own name, ports, directories and configuration.

All its ports are on the loopback.
"""

from dataclasses import dataclass
from pathlib import Path

from infra.stack.binaries import RabbitBinaries
from infra.stack.part import RunningPart
from infra.stack.passwords import write_private
from infra.stack.ports import Ports
from infra.stack.processes import Command, Process, base_environment, spawn
from infra.stack.rabbitmqctl import NODE, run_rabbitmqctl
from infra.stack.readiness import http_status, is_listening, wait_until_ready

ADMIN = "admin"
START_WITHIN_S = 60.0
PLUGINS = "[rabbitmq_management].\n"
"""Content of the file of enabled plugins. Streams need no plugin, because consumers read them over AMQP."""

CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{amqp}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management}
default_user = {user}
default_pass = {password}
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 256MB
raft.wal_max_size_bytes = 67108864
max_message_size = 16777216
"""


@dataclass(frozen=True)
class BrokerUrls:
    """The address of a broker, and its administrator's credentials."""

    host: str
    amqp_port: int
    management_port: int
    password: str
    user: str = ADMIN

    @property
    def amqp(self) -> str:
        """The administrator's AMQP URL."""
        return self.amqp_of(self.user, self.password)

    @property
    def management(self) -> str:
        """The URL of the management API, with the administrator's credentials."""
        return f"http://{self.user}:{self.password}@{self.host}:{self.management_port}"

    def amqp_of(self, user: str, password: str) -> str:
        """Return the AMQP URL of another user."""
        return f"amqp://{user}:{password}@{self.host}:{self.amqp_port}/"

    async def is_ready(self, listener: int | None = None) -> bool:
        """Return whether the broker accepts AMQP connections, according to its own health check.

        `listener` is the AMQP port inside a container, if that differs. Raises `OSError` if it cannot connect.
        """
        check = f"/api/health/checks/port-listener/{listener or self.amqp_port}"
        return await http_status(f"{self.management}{check}") == 200


@dataclass(frozen=True)
class BrokerProcess:
    """A running node with its port mapper (epmd), which ends when the node does."""

    node: Process
    mapper: Process

    @property
    def pid(self) -> int:
        """The process id of the Erlang VM, which replaced the start script (exec)."""
        return self.node.pid

    async def wait(self) -> int:
        """Wait until the node ends, kill the port mapper, and return the node's exit code."""
        code = await self.node.wait()
        self.mapper.kill()
        await self.mapper.wait()
        return code

    def kill(self) -> None:
        """Kill both at once (SIGKILL)."""
        self.node.kill()
        self.mapper.kill()

    def pause(self) -> None:
        """Pause the node (SIGSTOP). The port mapper continues."""
        self.node.pause()

    def resume(self) -> None:
        """Resume the node."""
        self.node.resume()

    async def stop(self) -> None:
        """Shut the node down gracefully, then kill the port mapper."""
        await self.node.stop()
        await self.wait()


class RabbitNode:
    """A RabbitMQ node as a part. It keeps all its files below `directory`, and its data between two launches."""

    name = "broker"

    def __init__(self, directory: Path, urls: BrokerUrls, *, binaries: RabbitBinaries, ports: Ports, log: Path) -> None:
        self.urls = urls
        self._directory = directory
        self._binaries = binaries
        self._ports = ports
        self._log = log

    async def launch(self) -> RunningPart:
        """Write the configuration and start the port mapper and the node. Data of an earlier launch is used again."""
        self._write_configuration()
        mapper = await spawn(self._epmd_command())
        try:
            await wait_until_ready(
                lambda: is_listening(self._ports.of("epmd")), mapper, name="epmd", within_s=10, log=str(self._log)
            )
            return BrokerProcess(await spawn(self._node_command()), mapper)
        except BaseException:
            mapper.kill()
            raise

    async def wait_until_ready(self, running: RunningPart) -> None:
        """Return once the node accepts AMQP connections. Raises `NotReady` after 60 s, or if the node ends first."""
        await wait_until_ready(
            self.urls.is_ready, running, name="The broker", within_s=START_WITHIN_S, log=str(self._log)
        )

    async def run_rabbitmqctl(self, *arguments: str) -> None:
        """Run `rabbitmqctl ARGUMENTS` for this node, which must be up. Raises `LocalError` if that fails."""
        await run_rabbitmqctl(self._binaries, self._directory, self._ports.of("epmd"), *arguments)

    def _write_configuration(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(
            self._directory / "rabbitmq.conf",
            CONFIGURATION.format(
                amqp=self.urls.amqp_port,
                management=self.urls.management_port,
                user=self.urls.user,
                password=self.urls.password,
            ),
        )
        (self._directory / "plugins").write_text(PLUGINS)

    def _epmd_command(self) -> Command:
        return Command(
            argv=(str(self._binaries.epmd), "-address", "127.0.0.1", "-port", str(self._ports.of("epmd"))),
            env=base_environment(),
            cwd=self._directory,
            log=self._log,
        )

    def _node_command(self) -> Command:
        return Command(argv=(str(self._binaries.server),), env=self._environment(), cwd=self._directory, log=self._log)

    def _environment(self) -> dict[str, str]:
        here = self._directory
        return base_environment() | {
            "HOME": str(here),  # the Erlang cookie lies there
            "RABBITMQ_NODENAME": NODE,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.urls.amqp_port),
            "RABBITMQ_DIST_PORT": str(self._ports.of("dist")),
            "RABBITMQ_MNESIA_BASE": str(here / "data"),
            "RABBITMQ_LOG_BASE": str(here),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(here / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(here / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(here / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_PORT": str(self._ports.of("epmd")),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RUNNING_UNDER_SYSTEMD": "true",  # makes the start script exec the Erlang VM
        }
