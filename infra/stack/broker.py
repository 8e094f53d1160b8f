"""A private RabbitMQ node: own name, ports, directories and configuration, and every port on the loopback."""

from dataclasses import dataclass
from pathlib import Path

from infra.stack.binaries import RabbitBinaries
from infra.stack.part import Running
from infra.stack.passwords import write_private
from infra.stack.ports import Ports
from infra.stack.processes import Command, Process, base_environment, spawn
from infra.stack.rabbitmqctl import NODE, control
from infra.stack.readiness import accepts, http_status, until_ready

ADMIN = "admin"
START_WITHIN_S = 60.0
PLUGINS = "[rabbitmq_management].\n"
"""Streams need no plugin of their own: consumers read them over AMQP."""

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
    """Where a broker is, and its administrator's credentials."""

    host: str
    amqp_port: int
    management_port: int
    password: str
    user: str = ADMIN

    @property
    def amqp(self) -> str:
        """The administrator's AMQP address."""
        return self.amqp_of(self.user, self.password)

    @property
    def management(self) -> str:
        """The management API's address, with the administrator's credentials."""
        return f"http://{self.user}:{self.password}@{self.host}:{self.management_port}"

    def amqp_of(self, user: str, password: str) -> str:
        """The AMQP address of another user."""
        return f"amqp://{user}:{password}@{self.host}:{self.amqp_port}/"

    async def answers(self, listener: int | None = None) -> bool:
        """Whether it takes AMQP connections, by its own word (`listener`: the port as the node knows it)."""
        check = f"/api/health/checks/port-listener/{listener or self.amqp_port}"
        return await http_status(f"{self.management}{check}") == 200


@dataclass(frozen=True)
class BrokerProcess:
    """A running node with its port mapper, which ends with it."""

    node: Process
    mapper: Process

    @property
    def pid(self) -> int:
        """The Erlang machine's process id: the start script gave way to it."""
        return self.node.pid

    async def wait(self) -> int:
        """Wait for the node's end, and end the mapper."""
        code = await self.node.wait()
        self.mapper.kill()
        await self.mapper.wait()
        return code

    def kill(self) -> None:
        """End both at once."""
        self.node.kill()
        self.mapper.kill()

    def pause(self) -> None:
        """Stop the node; the mapper goes on."""
        self.node.pause()

    def resume(self) -> None:
        """Let the node go on."""
        self.node.resume()

    async def stop(self) -> None:
        """Shut the node down; the mapper ends after it."""
        await self.node.stop()
        await self.wait()


class RabbitNode:
    """A node that keeps everything below `directory` and forgets nothing between two launches."""

    name = "broker"

    def __init__(self, directory: Path, urls: BrokerUrls, *, binaries: RabbitBinaries, ports: Ports, log: Path) -> None:
        self.urls = urls
        self._directory = directory
        self._binaries = binaries
        self._ports = ports
        self._log = log

    async def launch(self) -> Running:
        """Write the configuration and start the node. Data of an earlier launch is taken up again."""
        self._write_configuration()
        mapper = await spawn(self._mapper())
        try:
            await until_ready(
                lambda: accepts(self._ports.of("epmd")), mapper, name="epmd", within_s=10, log=str(self._log)
            )
            return BrokerProcess(await spawn(self._node()), mapper)
        except BaseException:
            mapper.kill()
            raise

    async def ready(self, running: Running) -> None:
        """Return once it takes AMQP connections."""
        await until_ready(self.urls.answers, running, name="The broker", within_s=START_WITHIN_S, log=str(self._log))

    async def control(self, *arguments: str) -> None:
        """`rabbitmqctl ARGUMENTS` for this node, which is up. Raises `LocalError`."""
        await control(self._binaries, self._directory, self._ports.of("epmd"), *arguments)

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

    def _mapper(self) -> Command:
        return Command(
            argv=(str(self._binaries.epmd), "-address", "127.0.0.1", "-port", str(self._ports.of("epmd"))),
            env=base_environment(),
            cwd=self._directory,
            log=self._log,
        )

    def _node(self) -> Command:
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
            "RUNNING_UNDER_SYSTEMD": "true",  # the start script gives way to the Erlang machine
        }
