"""Checks the names of new services and events, and derives their names in code."""

import keyword
import re
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from infra.lab.scaffold.plan import Refused
from marketplace_runtime.events import TYPE_PATTERN

RESERVED = {
    "broker",
    "outside",
    "template",
    "postgres",
    "audit",
    "events",
    "contracts",
    "nobody",
    "public",
    "messaging",
}
MAX_LENGTH = 24


def services_in(checkout: Path) -> list[str]:
    """Return the services that pyproject.toml lists."""
    with (checkout / "pyproject.toml").open("rb") as file:
        services: list[str] = tomllib.load(file)["tool"]["marketplace"]["services"]
    return services


def check_service(checkout: Path, name: str) -> None:
    """Raise `Refused` unless `name` is a possible and free name for a service."""
    if not re.fullmatch(rf"[a-z]{{2,{MAX_LENGTH}}}", name):
        raise Refused(
            f"{name!r} can't be a service's name.", f"Use 2 to {MAX_LENGTH} lower-case letters, such as ratings."
        )
    if keyword.iskeyword(name):
        raise Refused(f"The name {name} is a Python keyword.", "Choose another one.")
    if name in services_in(checkout):
        raise Refused(f"There is a service called {name} already.", f"Its table: {name}/service.py")
    taken = name in RESERVED or name in sys.stdlib_module_names or (checkout / name).exists() or _installed(name)
    if taken:
        raise Refused(f"The name {name} is taken by a module, a folder or a part of the stack.", "Choose another one.")


@dataclass(frozen=True)
class EventName:
    """The name of an event: publisher, name and version, with the forms derived from them."""

    publisher: str
    name: str
    version: int

    @classmethod
    def parse(cls, text: str) -> "EventName":
        """Parse `publisher.name-of-it`, with or without a version (`.v1`). Raises `Refused` if it has another form."""
        parts = TYPE_PATTERN.match(text) or TYPE_PATTERN.match(f"{text}.v1")
        if parts is None:
            raise Refused(
                f"{text!r} is not an event's name.",
                "Write <publisher>.<what-happened>, such as checkout.order-archived or checkout.order-archived.v2.",
            )
        return cls(parts["publisher"], parts["name"], int(parts["version"]))

    @property
    def type(self) -> str:
        return f"{self.publisher}.{self.name}.v{self.version}"

    @property
    def class_name(self) -> str:
        return "".join(word.capitalize() for word in self.name.split("-")) + f"V{self.version}"

    @property
    def snake(self) -> str:
        return self.name.replace("-", "_")


def find_versions(types: Sequence[str], name: EventName) -> list[str]:
    """Return the types of all existing versions of an event."""
    return [each for each in types if each.rpartition(".")[0] == f"{name.publisher}.{name.name}"]


def _installed(name: str) -> bool:
    spec = find_spec(name)
    return spec is not None and spec.origin is not None
