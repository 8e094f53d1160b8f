"""Runs Envoy as a part of the stack."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from infra.stack.errors import NotReady
from infra.stack.gateway.admin import Admin
from infra.stack.gateway.configuration import Configuration
from infra.stack.gateway.exposure import Exposure
from infra.stack.part import RunningPart
from infra.stack.processes import Command, base_environment, spawn
from infra.stack.readiness import wait_until_ready

NAME = "gateway"
READY_WITHIN_S = 30.0
DRAIN_WITHIN_S = 5.0
"""Time for requests under way to finish when the gateway is stopped."""
POLL_S = 0.02
LOG_DELAY_MS = 500
"""Time after which a line reaches the log file. Envoy would collect lines for 10 s."""
ACTIVE_REQUESTS = "http.gateway.downstream_rq_active"


@dataclass(frozen=True)
class Gateway:
    """The gateway as a part. Each launch writes its configuration anew."""

    envoy: Path
    configuration: Configuration
    read_exposure: Callable[[], Awaitable[Exposure]]
    log: Path
    name: str = NAME

    async def launch(self) -> RunningPart:
        """Write the configuration and start Envoy."""
        from infra.stack.gateway.certificate import ensure_certificate  # its library would delay every command

        exposure = await self.read_exposure()
        ensure_certificate(self.configuration.certificate, self.configuration.authority)
        self.configuration.write(exposure)
        process = await spawn(
            Command(
                argv=(
                    *(str(self.envoy), "--config-path", str(self.configuration.bootstrap)),
                    *("--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"),
                    *("--file-flush-interval-msec", str(LOG_DELAY_MS)),
                ),
                env=base_environment(),
                cwd=self.configuration.directory,
                log=self.log,
            )
        )
        return _RunningGateway(process, Admin(self.configuration.admin_port))

    async def reload(self) -> None:
        """Write the configuration anew, because the exposed routes have changed. A running Envoy adopts it at once."""
        self.configuration.write(await self.read_exposure())

    async def wait_until_ready(self, running: RunningPart) -> None:
        """Return once Envoy accepts connections. Raises `NotReady` if it ends first or rejects its configuration."""
        admin = Admin(self.configuration.admin_port)
        await wait_until_ready(admin.is_ready, running, name=NAME, within_s=READY_WITHIN_S, log=str(self.log))
        if rejected := await admin.rejected_updates():
            raise NotReady(f"The gateway rejected its configuration: {', '.join(rejected)}.", f"See {self.log}")


class _RunningGateway:
    """A running Envoy, which finishes its requests before it ends."""

    def __init__(self, process: RunningPart, admin: Admin) -> None:
        self._process, self._admin = process, admin
        self.pid, self.wait = process.pid, process.wait
        self.kill, self.pause, self.resume = process.kill, process.pause, process.resume

    async def stop(self) -> None:
        with contextlib.suppress(OSError):  # includes TimeoutError
            async with asyncio.timeout(DRAIN_WITHIN_S):
                await self._admin.drain()
                while await self._has_requests():  # noqa: ASYNC110 - Envoy does not report their end
                    await asyncio.sleep(POLL_S)
        await self._process.stop()

    async def _has_requests(self) -> bool:
        return any((await self._admin.counters(f"^{ACTIVE_REQUESTS}$")).values())
