"""The addresses of a stack, in a file that only its owner can read."""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from infra.stack.errors import StackIsDown
from infra.stack.passwords import write_private


@dataclass
class ServiceState:
    """One service: its public address, and each replica's own for operators."""

    http: str
    ops: dict[str, str]
    """Replica (`cart.1`) to base URL."""
    database: dict[str, str]
    """Role (owner, app, superuser, audit) to URL."""


@dataclass
class StackState:
    """What is remembered of a stack, also while it is down."""

    stack: str
    services: dict[str, ServiceState] = field(default_factory=dict)
    broker: dict[str, str] = field(default_factory=dict)
    """`amqp` and `management` as the administrator, `audit_amqp` and `audit_management` as who may only read."""
    outside: str = ""
    issuer: str = ""
    proxy: str = ""
    """Where the fault proxy is told what to do; empty if the stack is not faultable."""
    links: list[str] = field(default_factory=list)
    """The connections that go through the fault proxy."""
    secrets: dict[str, str] = field(default_factory=dict)
    """Files that hold passwords: `passwords`, `service_passwords`."""
    ports: dict[str, int] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    """Settings of the services and of the outside that differ from their defaults, by their environment variables."""
    providers: dict[str, str] = field(default_factory=dict)
    """Kind of server to where it came from."""
    given: list[str] = field(default_factory=list)
    """The parts that run elsewhere: their addresses were given."""

    def write(self, path: Path) -> None:
        """Replace the file at once and whole (0600)."""
        write_private(path, json.dumps(asdict(self), indent=2) + "\n")


def read_state(path: Path) -> StackState:
    """The state as it was last written, without what another version wrote and this one does not know.

    Raises `StackIsDown` if there is none.
    """
    try:
        raw = json.loads(path.read_text())
    except FileNotFoundError:
        raise StackIsDown(f"There is no stack {path.parent.name}.", "Start it: ./marketplace up -d") from None
    services = {name: ServiceState(**_known(ServiceState, each)) for name, each in raw["services"].items()}
    return StackState(**_known(StackState, raw) | {"services": services})


def _known(kind: type[ServiceState | StackState], raw: dict[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in raw.items() if name in names}
