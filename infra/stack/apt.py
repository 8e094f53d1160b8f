"""Installs servers with apt, and prevents apt from starting them."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from infra.stack.errors import LocalError

TEMPORARY_FILE_MARKER = "# temporary file of `marketplace`, removed after the installation"
POLICY_DENY_START = f"#!/bin/sh\n{TEMPORARY_FILE_MARKER}\nexit 101\n"
NO_MAIN_CLUSTER = f"{TEMPORARY_FILE_MARKER}\ncreate_main_cluster = false\n"
COMMAND_TIMEOUT_S = 900


def run_quietly(argv: Sequence[str]) -> None:
    """Run an apt command. Raises `LocalError` with the last three lines of its output if it fails."""
    done = subprocess.run(  # noqa: S603 - our own arguments
        argv,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_TIMEOUT_S,
    )
    if done.returncode != 0:
        output = " ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise LocalError(f"{' '.join(argv)} failed: {output}", "Run it by hand to see more, then try again.")


@dataclass(frozen=True)
class Apt:
    """Debian's package manager. Tests use another `root` directory than `/`."""

    root: Path = Path("/")
    run: Callable[[Sequence[str]], None] = run_quietly
    is_root: bool = os.geteuid() == 0

    @property
    def is_usable(self) -> bool:
        """Whether apt-get exists (Debian, Ubuntu), and this process may install packages."""
        return self.is_root and os.access(self.root / "usr/bin/apt-get", os.X_OK)

    def install(self, packages: Sequence[str], report: Callable[[str], None]) -> None:
        """Install the packages, without starting servers or creating a Postgres cluster.

        The settings that prevent this are restored afterwards. Settings left over from an earlier, killed attempt are
        restored, too. Raises `LocalError` if apt-get fails.
        """
        options = ("-y", "-qq", "-o", "Dpkg::Options::=--force-confold", "--no-install-recommends")
        with _raise_on_termination(), self._prevent_server_start(), self._prevent_cluster_creation():
            report("Fetching the lists of packages (apt-get update)")
            self.run(("apt-get", "update", "-qq"))
            report(f"Installing {' and '.join(packages)} (apt-get install)")
            self.run(("apt-get", "install", *options, *packages))

    @contextlib.contextmanager
    def _prevent_server_start(self) -> Iterator[None]:
        with _replace_temporarily(self.root / "usr/sbin/policy-rc.d", POLICY_DENY_START, mode=0o755):
            yield

    @contextlib.contextmanager
    def _prevent_cluster_creation(self) -> Iterator[None]:
        settings = self.root / "etc/postgresql-common/createcluster.conf"
        # dpkg gives the packaged file this name, because our temporary file occupies its own
        packaged = settings.with_name(f"{settings.name}.dpkg-dist")
        try:
            with _replace_temporarily(settings, NO_MAIN_CLUSTER, mode=0o644):
                yield
        finally:
            if packaged.exists() and not settings.exists():
                packaged.rename(settings)


@contextlib.contextmanager
def _replace_temporarily(path: Path, content: str, *, mode: int) -> Iterator[None]:
    """Replace the content of `path` within the context, and restore or remove the file afterwards."""
    backup = path.with_name(f"{path.name}.before-marketplace")
    _restore(path, backup)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.rename(backup)
    try:
        path.write_text(content)
        path.chmod(mode)
        yield
    finally:
        _restore(path, backup)


def _restore(path: Path, backup: Path) -> None:
    if path.exists() and TEMPORARY_FILE_MARKER in path.read_text():
        path.unlink()
    if backup.exists():
        backup.replace(path)


@contextlib.contextmanager
def _raise_on_termination() -> Iterator[None]:
    """Make SIGTERM and SIGHUP raise `KeyboardInterrupt`, as Ctrl-C does, so that settings are restored."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
