"""Stores the addresses of a stack in a file that only its owner can read."""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from infra.stack.errors import StackIsDown
from infra.stack.passwords import write_private


@dataclass
class ServiceState:
    """The addresses of one service: the URL of its first replica, and the operations URL of each replica."""

    http: str
    ops: dict[str, str]
    """Maps each replica (`cart.1`) to its base URL."""
    database: dict[str, str]
    """Maps each role (owner, app, superuser, audit) to its URL."""


@dataclass
class StackState:
    """The stored state of a stack. It is kept while the stack is down."""

    stack: str
    services: dict[str, ServiceState] = field(default_factory=dict)
    broker: dict[str, str] = field(default_factory=dict)
    """URLs of the broker: `amqp` and `management` for the administrator, `audit_amqp` and `audit_management` for the
    read-only auditor."""
    gateway: dict[str, str] = field(default_factory=dict)
    """URLs of the gateway (`http`, `tls`), and the file with the certificate that clients must trust (`authority`)."""
    outside: str = ""
    """Base URL of the stand-ins, which are the part `outside`."""
    issuer: str = ""
    """URL of the stand-in for an identity issuer."""
    proxy: str = ""
    """URL of the fault proxy's control API. Empty if the stack is not faultable."""
    links: list[str] = field(default_factory=list)
    """Names of the connections that go through the fault proxy."""
    secrets: dict[str, str] = field(default_factory=dict)
    """Paths of the files that hold passwords: `passwords`, `service_passwords`."""
    ports: dict[str, int] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    """Settings of the services and stand-ins that the caller's environment set, by environment variable."""
    providers: dict[str, str] = field(default_factory=dict)
    """Maps the name of each kind of server to its provider."""
    given: list[str] = field(default_factory=list)
    """Names of the parts that run elsewhere, whose addresses were given."""

    def write(self, path: Path) -> None:
        """Replace the file atomically (mode 0600)."""
        write_private(path, json.dumps(asdict(self), indent=2) + "\n")


def read_state(path: Path) -> StackState:
    """Return the state that was last written. Fields that only other versions of the program know are ignored.

    Raises `StackIsDown` if there is no state file.
    """
    try:
        raw = json.loads(path.read_text())
    except FileNotFoundError:
        raise StackIsDown(f"There is no stack {path.parent.name}.", "Start it: ./marketplace up -d") from None
    services = {name: ServiceState(**_known_fields(ServiceState, each)) for name, each in raw["services"].items()}
    return StackState(**_known_fields(StackState, raw) | {"services": services})


def _known_fields(kind: type[ServiceState | StackState], raw: dict[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in raw.items() if name in names}
