"""Where a stack keeps its files: outside the checkout, which may lie where Postgres cannot go."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from infra.stack.errors import LocalError

CHECKOUT = Path(__file__).resolve().parents[2]


def python_path(checkout: Path) -> str:
    """Return the PYTHONPATH of programs that are run from `checkout`: its packages, and the runtime's project."""
    return os.pathsep.join([str(checkout), str(checkout / "infra" / "runtime")])


@dataclass(frozen=True)
class Layout:
    """The directory of one stack, and what lies in it."""

    name: str
    directory: Path

    @property
    def state(self) -> Path:
        """Every address of the stack, as JSON."""
        return self.directory / "stack.json"

    @property
    def passwords(self) -> Path:
        """Every generated password by user, as JSON."""
        return self.directory / "passwords.json"

    @property
    def service_passwords(self) -> Path:
        """The broker users' passwords, as the topology's declaration reads them."""
        return self.directory / "service-passwords.json"

    @property
    def record(self) -> Path:
        """What simulated people asked for and were promised, and what was broken: JSON lines, for the audit."""
        return self.directory / "record.jsonl"

    @property
    def links(self) -> Path:
        """The fault proxy's links, as JSON."""
        return self.directory / "links.json"

    @property
    def faults(self) -> Path:
        """A file for each fault that is in effect."""
        return self.directory / "faults"

    @property
    def clocks(self) -> Path:
        """A file for each service whose clock is wrong."""
        return self.directory / "clocks"

    def clock(self, service: str) -> Path:
        """How many seconds ahead the service's clock is, while that is a fault."""
        return self.clocks / service

    @property
    def socket(self) -> Path:
        """Where the supervisor takes orders."""
        return self.directory / "control.sock"

    @property
    def lock(self) -> Path:
        """Held by the one supervisor of this stack."""
        return self.directory / "lock"

    @property
    def logs(self) -> Path:
        """A log file per part."""
        return self.directory / "logs"

    def log(self, part: str) -> Path:
        """The part's log file."""
        return self.logs / f"{part}.log"

    def create(self) -> None:
        """Make the directories: ours alone to list, but Postgres may pass through to its own."""
        self.directory.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.directory.mkdir(mode=0o711, exist_ok=True)
        self.logs.mkdir(mode=0o700, exist_ok=True)


def layout(name: str | None = None) -> Layout:
    """The layout of the stack called `name`, or of MARKETPLACE_STACK, or of this checkout's own.

    State is kept in MARKETPLACE_STATE_HOME, by default /var/lib/marketplace for root and
    ~/.local/state/marketplace (XDG_STATE_HOME) for everybody else.
    """
    name = name or os.environ.get("MARKETPLACE_STACK") or default_name(CHECKOUT)
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,40}", name):
        raise LocalError(f"{name!r} cannot be a stack's name.", "Use lower-case letters, digits and hyphens.")
    return Layout(name, _state_home() / name)


def default_name(checkout: Path) -> str:
    """A name that differs between two checkouts on one machine."""
    return f"default-{hashlib.sha256(str(checkout).encode()).hexdigest()[:8]}"


def _state_home() -> Path:
    if chosen := os.environ.get("MARKETPLACE_STATE_HOME"):
        return Path(chosen).resolve()
    if os.geteuid() == 0:
        return Path("/var/lib/marketplace")
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(home).expanduser() / "marketplace"
