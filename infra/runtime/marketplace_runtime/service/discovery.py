"""Where services are found: the list in pyproject.toml, and nowhere else."""

import importlib
import tomllib
from pathlib import Path

from marketplace_runtime.service.service import Service

PROJECT = Path(__file__).parents[4] / "pyproject.toml"


def service_names() -> list[str]:
    """The names under `[tool.marketplace] services`, in their order."""
    with PROJECT.open("rb") as file:
        return list(tomllib.load(file)["tool"]["marketplace"]["services"])


def load_services() -> list[Service]:
    """Import each service's table: `SERVICE` in its `service.py`."""
    services = []
    for name in service_names():
        service = importlib.import_module(f"{name}.service").SERVICE
        if not isinstance(service, Service) or service.name != name:
            raise TypeError(f"{name}/service.py has no SERVICE named {name!r}")
        services.append(service)
    return services
