"""Finds services by the names of their packages."""

import importlib
from collections.abc import Iterable

from marketplace_runtime.service.service import Service


def load_services(names: Iterable[str]) -> list[Service]:
    """Import and return each service's table: `SERVICE` in its `service.py`.

    Raises TypeError if a package has none, or one with another name.
    """
    services = []
    for name in names:
        service = importlib.import_module(f"{name}.service").SERVICE
        if not isinstance(service, Service) or service.name != name:
            raise TypeError(f"{name}/service.py has no SERVICE named {name!r}")
        services.append(service)
    return services
