"""Decides where the broker and the databases come from: given URLs, Docker, installed programs, or apt."""

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from infra.stack.apt import Apt
from infra.stack.binaries import find_postgres, find_rabbitmq
from infra.stack.errors import LocalError, NoProvider
from infra.stack.images import BROKER_IMAGE, POSTGRES_IMAGE, docker_has, docker_works


class Provider(StrEnum):
    """Where a server comes from. The members are in the order in which they are tried."""

    GIVEN = "given"
    """It runs elsewhere: its URL is given in an environment variable."""
    DOCKER = "docker"
    HOST = "host"
    """Its programs are installed on this machine."""
    APT = "apt"
    """Its programs can be installed with apt."""


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of server or program, and how to get it."""

    name: str
    url_variables: str
    """The environment variables that give its URL, as a text for people. Empty if there are none."""
    packages: Mapping[str, str]
    """Maps the package manager's command to the name of the package."""
    installed: Callable[[], bool]
    image: str = ""
    """The container image."""


BROKER = Kind(
    "RabbitMQ",
    "MARKETPLACE_BROKER_URL and MARKETPLACE_BROKER_MANAGEMENT_URL",
    {"apt-get": "rabbitmq-server", "brew": "rabbitmq"},
    lambda: find_rabbitmq() is not None,
    BROKER_IMAGE,
)
POSTGRES = Kind(
    "PostgreSQL 15 to 18",
    "MARKETPLACE_<SERVICE>_DATABASE_URL",
    {"apt-get": "postgresql", "brew": "postgresql@17"},
    lambda: bool(find_postgres()),
    POSTGRES_IMAGE,
)


def program_kind(name: str) -> Kind:
    """Return the kind of a program that is searched for on the PATH. Its package has the program's name everywhere."""
    return Kind(name, "", {"apt-get": name, "brew": name}, lambda: shutil.which(name) is not None)


def forced_provider() -> Provider | None:
    """Return the provider that MARKETPLACE_PROVIDER names. None if it is not set.

    Raises `LocalError` if there is no such provider.
    """
    name = os.environ.get("MARKETPLACE_PROVIDER")
    if not name:
        return None
    try:
        return Provider(name)
    except ValueError:
        known = ", ".join(Provider)
        raise LocalError(f"MARKETPLACE_PROVIDER={name} is unknown.", f"Use one of {known}.") from None


def choose_provider(
    *,
    given: bool,
    docker: Callable[[], bool],
    installed: Callable[[], bool],
    installable: Callable[[], bool],
    forced: Provider | None = None,
) -> Provider | None:
    """Return the first provider that is available, or the forced one if it is available. None if there is none."""
    is_available = {
        Provider.GIVEN: lambda: given,
        Provider.DOCKER: docker,
        Provider.HOST: installed,
        Provider.APT: installable,
    }
    return next((provider for provider in Provider if forced in (None, provider) and is_available[provider]()), None)


def provide(kinds: Mapping[Kind, bool], report: Callable[[str], None], apt: Apt | None = None) -> dict[Kind, Provider]:
    """Choose a provider for each kind, and install what must be installed.

    `kinds` maps each kind to whether its URLs are given. APT becomes HOST once the packages are installed. Raises
    `NoProvider`, with the command that installs what is missing.
    """
    apt = apt or Apt()
    forced = forced_provider()
    engine_works = _cached(docker_works)

    def in_docker(kind: Kind) -> bool:
        return engine_works() and docker_has(kind.image, report)

    chosen = {
        kind: choose_provider(
            given=given,
            docker=partial(in_docker, kind),
            installed=kind.installed,
            installable=lambda: apt.is_usable,
            forced=Provider.GIVEN if given else forced,
        )
        for kind, given in kinds.items()
    }
    missing = [kind for kind, provider in chosen.items() if provider is None]
    if missing:
        raise _missing_error(missing)
    install_missing([kind for kind, provider in chosen.items() if provider is Provider.APT], report, apt)
    # no provider is None here, which the type checker cannot know
    return {kind: Provider.HOST if found is Provider.APT else Provider(found or "") for kind, found in chosen.items()}


def install_missing(kinds: Iterable[Kind], report: Callable[[str], None], apt: Apt | None = None) -> None:
    """Install those kinds that are not installed on this machine, even if Docker or given URLs could provide them.

    Raises `NoProvider`, with the command to run.
    """
    apt = apt or Apt()
    missing = [kind for kind in kinds if not kind.installed()]
    if not missing:
        return
    if not apt.is_usable:
        raise _missing_error(missing)
    apt.install([kind.packages["apt-get"] for kind in missing], report)
    unfound = [kind for kind in missing if not kind.installed()]
    if unfound:
        raise NoProvider(f"{unfound[0].name} was installed, but cannot be found.", installation_advice(unfound))


def installation_advice(kinds: Sequence[Kind]) -> str:
    """Return the exact command for a person to run to get these servers, or else advice."""
    manager = "brew" if sys.platform == "darwin" else "apt-get"
    line = " ".join(kind.packages[manager] for kind in kinds)
    if manager == "brew":
        return f"Run: brew install {line}"
    if shutil.which("apt-get") is None:
        variables = ", ".join(kind.url_variables for kind in kinds if kind.url_variables)
        return f"Install them, start Docker, or set their addresses in {variables}" if variables else "Install them."
    return f"Run: sudo apt-get install -y {line}"


def _missing_error(kinds: Sequence[Kind]) -> NoProvider:
    return NoProvider(f"{' and '.join(kind.name for kind in kinds)} cannot be found.", installation_advice(kinds))


def _cached(function: Callable[[], bool]) -> Callable[[], bool]:
    answers: list[bool] = []

    def call() -> bool:
        if not answers:
            answers.append(function())
        return answers[0]

    return call
