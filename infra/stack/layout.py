"""Defines the paths of a stack's files.

They lie outside the checkout, because the account that runs Postgres is often not allowed to enter it.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from infra.stack.errors import LocalError

CHECKOUT = Path(__file__).resolve().parents[2]
"""The root directory of this checkout of the repository. (The service `checkout` is something else.)"""


def python_path(checkout: Path) -> str:
    """Return the PYTHONPATH of programs that are run from `checkout`: its packages, and the runtime's project."""
    return os.pathsep.join([str(checkout), str(checkout / "infra" / "runtime")])


@dataclass(frozen=True)
class Layout:
    """The directory of one stack, and the paths of the files in it."""

    name: str
    directory: Path

    @property
    def state(self) -> Path:
        """The state file: every address of the stack, as JSON."""
        return self.directory / "stack.json"

    @property
    def passwords(self) -> Path:
        """The file of generated passwords by user, as JSON."""
        return self.directory / "passwords.json"

    @property
    def service_passwords(self) -> Path:
        """The file of the broker users' passwords, in the format that the declaration of the topology reads."""
        return self.directory / "service-passwords.json"

    @property
    def record(self) -> Path:
        """The record for the audit, as JSON lines: requests of simulated people, the answers, and injected faults."""
        return self.directory / "record.jsonl"

    @property
    def links(self) -> Path:
        """The file of the fault proxy's links, as JSON."""
        return self.directory / "links.json"

    @property
    def faults(self) -> Path:
        """The directory with a file for each fault that is in effect."""
        return self.directory / "faults"

    @property
    def skew_files(self) -> Path:
        """The directory with a file for each service whose clock is skewed."""
        return self.directory / "clocks"

    def skew_file(self, service: str) -> Path:
        """Return the file with the seconds by which the service's clock is ahead. It exists while that fault lasts."""
        return self.skew_files / service

    @property
    def socket(self) -> Path:
        """The supervisor's control socket."""
        return self.directory / "control.sock"

    @property
    def lock(self) -> Path:
        """The lock file, locked by the only supervisor of this stack."""
        return self.directory / "lock"

    @property
    def logs(self) -> Path:
        """The directory with a log file for each part."""
        return self.directory / "logs"

    def log(self, part: str) -> Path:
        """Return the part's log file."""
        return self.logs / f"{part}.log"

    def create(self) -> None:
        """Create the directories. Only their owner can list them, but Postgres can enter its data directories."""
        self.directory.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.directory.mkdir(mode=0o711, exist_ok=True)
        self.logs.mkdir(mode=0o700, exist_ok=True)


def layout(name: str | None = None) -> Layout:
    """Return the layout of the stack called `name`. Default: MARKETPLACE_STACK, or else this checkout's own stack.

    State is kept in MARKETPLACE_STATE_HOME. Its default is /var/lib/marketplace for root, and
    ~/.local/state/marketplace (or below XDG_STATE_HOME) for other users. Raises `LocalError` for an invalid name.
    """
    name = name or os.environ.get("MARKETPLACE_STACK") or default_name(CHECKOUT)
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,40}", name):
        raise LocalError(f"{name!r} cannot be a stack's name.", "Use lower-case letters, digits and hyphens.")
    return Layout(name, _state_home() / name)


def default_name(checkout: Path) -> str:
    """Return the name of a checkout's own stack, which differs between two checkouts on one machine."""
    return f"default-{hashlib.sha256(str(checkout).encode()).hexdigest()[:8]}"


def _state_home() -> Path:
    if chosen := os.environ.get("MARKETPLACE_STATE_HOME"):
        return Path(chosen).resolve()
    if os.geteuid() == 0:
        return Path("/var/lib/marketplace")
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(home).expanduser() / "marketplace"
