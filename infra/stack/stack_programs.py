"""Defines which programs a stack runs, and runs those that end by themselves."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from infra.stack.environment import services_of
from infra.stack.errors import NotReady
from infra.stack.layout import CHECKOUT, Layout, python_path
from infra.stack.processes import Command, base_environment, spawn

MAX_LOG_CHARACTERS = 4000


@dataclass(frozen=True)
class Programs:
    """The command lines of the programs that a stack runs. Tests use small substitutes."""

    services: Sequence[str]
    service: Callable[[str], tuple[str, ...]]
    stand_ins: tuple[str, ...]
    declare: tuple[str, ...]
    """Declares the broker's topology. The services' names are added, as they are to `exposed`."""
    exposed: tuple[str, ...]
    """Prints the routes that the services expose, as JSON."""
    proxy: tuple[str, ...]
    repository: Path


def marketplace_programs() -> Programs:
    """Return the programs of this checkout."""
    return Programs(
        services=services_of(CHECKOUT),
        service=lambda name: (sys.executable, "-m", name),
        stand_ins=(sys.executable, "-m", "infra.lab.stand_ins"),
        declare=(sys.executable, "-m", "marketplace_runtime", "declare"),
        exposed=(sys.executable, "-m", "marketplace_runtime", "exposed"),
        proxy=(sys.executable, "-m", "infra.lab.chaos.proxy"),
        repository=CHECKOUT,
    )


async def run_to_end(
    name: str,
    argv: tuple[str, ...],
    what: str,
    layout: Layout,
    repository: Path,
    *,
    environment: Mapping[str, str] = MappingProxyType({}),
    output: Path | None = None,
) -> None:
    """Run a program to its end. Raises `NotReady` with the end of its log if it fails.

    `name` is that of its log, and `what` says what it does, for people.
    """
    log = layout.log(name)
    log.unlink(missing_ok=True)
    env = base_environment() | {"PYTHONPATH": python_path(repository), **environment}
    running = await spawn(Command(argv=argv, env=env, cwd=layout.directory, log=log, output=output))
    try:
        code = await running.wait()
    finally:
        running.kill()
    if code != 0:
        raise NotReady(f"{what} failed with exit code {code}. {_log_tail(log)}".strip(), f"See {log}")


def _log_tail(log: Path) -> str:
    """Return the end of a program's log (`MAX_LOG_CHARACTERS` characters). Empty if it contains a traceback."""
    text = log.read_text(errors="replace").strip() if log.exists() else ""
    return "" if "Traceback" in text else text[-MAX_LOG_CHARACTERS:]
