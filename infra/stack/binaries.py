"""Finds the PostgreSQL and RabbitMQ servers that are installed on this machine."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SUPPORTED = (18, 17, 16, 15)
"""Supported major versions of PostgreSQL, the preferred one first."""


@dataclass(frozen=True)
class PostgresBinaries:
    """An installed PostgreSQL: the directory of its programs, and its major version."""

    directory: Path
    major: int


@dataclass(frozen=True)
class RabbitBinaries:
    """An installed RabbitMQ, and the port mapper (epmd) of its Erlang."""

    server: Path
    epmd: Path


def find_postgres(root: Path = Path("/")) -> list[PostgresBinaries]:
    """Return every supported PostgreSQL: the one on the PATH first, then Debian's by version, newest first."""
    on_path = shutil.which("initdb")
    candidates = [Path(on_path).resolve().parent] if on_path else []
    candidates += [root / f"usr/lib/postgresql/{major}/bin" for major in SUPPORTED]
    return [found for candidate in candidates if (found := _postgres_in(candidate))]


def _postgres_in(directory: Path) -> PostgresBinaries | None:
    if not all(os.access(directory / name, os.X_OK) for name in ("initdb", "postgres")):
        return None
    output = subprocess.run(  # noqa: S603 - a program that we found
        [directory / "postgres", "--version"], capture_output=True, text=True, check=False, timeout=10
    ).stdout
    version = re.search(r"\) (\d+)", output)
    major = int(version[1]) if version else 0
    return PostgresBinaries(directory, major) if major in SUPPORTED else None


def find_rabbitmq(root: Path = Path("/")) -> RabbitBinaries | None:
    """Return an installed RabbitMQ with its epmd. None if either is missing.

    Prefers Debian's script in /usr/lib/rabbitmq to the PATH, and ignores the one in /usr/sbin, which changes the user.
    """
    servers = [root / "usr/lib/rabbitmq/bin/rabbitmq-server", *_on_path("rabbitmq-server")]
    mappers = [*_on_path("epmd"), *root.glob("usr/lib/erlang/erts-*/bin/epmd")]
    server = _first_executable(path for path in servers if path != root / "usr/sbin/rabbitmq-server")
    epmd = _first_executable(mappers)
    return RabbitBinaries(server, epmd) if server and epmd else None


def _on_path(name: str) -> list[Path]:
    found = shutil.which(name)
    return [Path(found)] if found else []


def _first_executable(paths: Iterable[Path]) -> Path | None:
    return next((path for path in paths if os.access(path, os.X_OK)), None)
