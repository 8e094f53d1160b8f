"""Who says and who hears what, as the services' tables have it.

Tools import no service: the tables are asked for in a process of their own.
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
class Wired:
    """One service's part: the event types that it says, and those that it hears from the broker."""

    service: str
    says: Sequence[str]
    hears: Mapping[str, Sequence[str]]
    """Event types by subscription."""

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Self:
        """From what `python -m marketplace_runtime describe` says of a service."""
        return cls(described["service"], described["says"], described["subscriptions"])

    def queues_for(self, type: str) -> list[str]:
        """Its queues that get this event."""
        return [f"{self.service}.{name}" for name, types in self.hears.items() if type in types]


def read_wiring(checkout: Path) -> list[Wired]:
    """Every service of `checkout`, in its order. Raises `LocalError` if a table can't be loaded."""
    describe = ("-m", "marketplace_runtime", "describe", *services_of(checkout))
    done = subprocess.run(  # noqa: S603 - our own program
        (sys.executable, "-P", *describe),
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": python_path(checkout)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["It said nothing."]
        raise LocalError(
            f"A service's table can't be loaded: {said[0]}", f"See more: .venv/bin/python {' '.join(describe)}"
        )
    return [Wired.of(each) for each in json.loads(done.stdout)]


def hearers(services: Sequence[Wired], type: str) -> list[str]:
    """Every queue that gets this event."""
    return [queue for service in services for queue in service.queues_for(type)]
