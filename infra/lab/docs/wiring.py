"""Reads which events and routes each service has, from the services' own tables.

The tools do not import services. A separate process loads the tables and describes them.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from infra.stack import LocalError, python_path, services_of


@dataclass(frozen=True)
class ServiceWiring:
    """The event types that one service publishes, and those that it receives from the broker."""

    service: str
    publishes: Sequence[str]
    subscriptions: Mapping[str, Sequence[str]]
    """Event types by subscription."""

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Self:
        """Read what `python -m marketplace_runtime describe` prints about a service."""
        return cls(described["service"], described["says"], described["subscriptions"])

    def queues_for(self, type: str) -> list[str]:
        """Return the service's queues that receive this event type."""
        return [f"{self.service}.{name}" for name, types in self.subscriptions.items() if type in types]


def read_wiring(checkout: Path) -> list[ServiceWiring]:
    """Return every service of `checkout`, in its order. Raises `LocalError` if a table cannot be loaded."""
    return [ServiceWiring.of(each) for each in _run_description(checkout, "describe")]


def read_openapi(checkout: Path) -> dict[str, Any]:
    """Return the OpenAPI document of every service. Raises `LocalError` if a table cannot be loaded."""
    documents: dict[str, Any] = _run_description(checkout, "openapi")
    return documents


def _run_description(checkout: Path, command_name: str) -> Any:
    command = ("-m", "marketplace_runtime", command_name, *services_of(checkout))
    done = subprocess.run(  # noqa: S603 - fixed command of this project
        (sys.executable, "-P", *command),
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": python_path(checkout)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        error = done.stderr.strip().splitlines()[-1:] or ["The process reported nothing."]
        raise LocalError(
            f"A service's table can't be loaded: {error[0]}", f"See more: .venv/bin/python {' '.join(command)}"
        )
    return json.loads(done.stdout)


def subscribed_queues(services: Sequence[ServiceWiring], type: str) -> list[str]:
    """Return every queue that receives this event type."""
    return [queue for service in services for queue in service.queues_for(type)]
