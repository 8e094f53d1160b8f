"""Defines where the audit reads: addresses, with credentials that allow reading only."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


class Unreadable(Exception):
    """A source could not be read to its end."""


@dataclass(frozen=True)
class Sources:
    """Every address that an audit reads. Passwords are those of the database role and the broker user `audit`."""

    databases: Mapping[str, str] = field(repr=False)
    """URL of each service's database, by service."""
    amqp: str = field(repr=False)
    management: str = field(repr=False)
    """URL of the broker's management API."""
    outside: str
    """Base URL of the stand-ins for the outside world: ledgers and mail sink."""
    checkout: str
    """Base URL of checkout's public API."""
    issuer: str
    record: Path
    """File with the simulator's record."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings of the services that differ from their defaults, by environment variable."""

    @classmethod
    def of_stack(cls, state: Path, record: Path) -> "Sources":
        """Return the sources of a stack on this machine, from its state file. Raises `Unreadable` if it cannot."""
        try:
            found = json.loads(state.read_text())
            return cls(
                databases={name: each["database"]["audit"] for name, each in found["services"].items()},
                amqp=found["broker"]["audit_amqp"],
                management=found["broker"]["audit_management"],
                outside=found["outside"],
                checkout=found["services"]["checkout"]["http"],
                issuer=found["issuer"],
                record=record,
                settings=found.get("settings", {}),
            )
        except (OSError, ValueError, KeyError) as error:
            raise Unreadable(f"{state} has no addresses of the sources: {error!r}") from error
