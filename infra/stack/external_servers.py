"""Represents servers that run elsewhere: their addresses are given in environment variables."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from infra.stack.broker import BrokerUrls
from infra.stack.errors import LocalError
from infra.stack.part import RunningPart
from infra.stack.readiness import wait_until_ready

ANSWER_WITHIN_S = 30.0


class RunningExternalServer:
    """Represents a given server while the supervisor uses it. `kill` and `stop` do not affect the server."""

    pid = None

    def __init__(self) -> None:
        self._ended = asyncio.Event()

    async def wait(self) -> int:
        """Wait until `kill` or `stop` was called, and return 0."""
        await self._ended.wait()
        return 0

    def kill(self) -> None:
        """End `wait`. The server itself continues to run."""
        self._ended.set()

    async def stop(self) -> None:
        """End `wait`, as `kill` does."""
        self._ended.set()

    def pause(self) -> None:
        """Raise `LocalError`, because a given server cannot be paused from here."""
        raise LocalError("A server whose address was given cannot be paused from here.", "Pause it where it runs.")

    def resume(self) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class ExternalServer:
    """A given server as a part. It is never started or ended; the supervisor only waits until it answers."""

    name: str
    is_ready: Callable[[], Awaitable[bool]]

    async def launch(self) -> RunningPart:
        """Start nothing, and return a `RunningPart` that represents the given server."""
        return RunningExternalServer()

    async def wait_until_ready(self, running: RunningPart) -> None:
        """Return once the server answers. Raises `NotReady` after 30 s."""
        await wait_until_ready(
            self.is_ready,
            running,
            name=f"The given {self.name}",
            within_s=ANSWER_WITHIN_S,
            log="its own log. Check its address, too.",  # completes the error's "See …"
        )


def given_broker() -> BrokerUrls | None:
    """Return the broker that the environment names. None if it names none.

    Raises `LocalError` if only one of the two URLs is set, or one is incomplete.
    """
    amqp, management = (os.environ.get(f"MARKETPLACE_BROKER_{name}") for name in ("URL", "MANAGEMENT_URL"))
    if not amqp and not management:
        return None
    amqp_parts, api_parts = urlsplit(amqp or ""), urlsplit(management or "")
    if not (amqp_parts.hostname and amqp_parts.username and amqp_parts.password and api_parts.hostname):
        raise LocalError(
            "MARKETPLACE_BROKER_URL or MARKETPLACE_BROKER_MANAGEMENT_URL is missing or incomplete.",
            "Set both: amqp://admin:password@host:5672/ and http://admin:password@host:15672",
        )
    return BrokerUrls(
        host=amqp_parts.hostname,
        amqp_port=amqp_parts.port or 5672,
        management_port=api_parts.port or 15672,
        user=amqp_parts.username,
        password=amqp_parts.password,
    )


def given_database(service: str) -> str | None:
    """Return the superuser's URL of the server that the environment names for this service. None if it names none."""
    return os.environ.get(f"MARKETPLACE_{service.upper()}_DATABASE_URL")
