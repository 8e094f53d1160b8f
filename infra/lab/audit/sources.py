"""Where the audit reads: addresses with credentials that may read, and nothing else."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


class Unreadable(Exception):
    """A source could not be read to its end."""


@dataclass(frozen=True)
class Sources:
    """All that an audit reads. Passwords are those of the role and the user `audit`."""

    databases: Mapping[str, str] = field(repr=False)
    """Service to the address of its database."""
    amqp: str = field(repr=False)
    management: str = field(repr=False)
    """The broker's management API."""
    outside: str
    """The stand-ins' base URL: ledgers and mail sink."""
    checkout: str
    """Checkout's public API."""
    issuer: str
    record: Path
    """The simulator's record."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """The services' settings that differ from their defaults, by environment variable."""

    @classmethod
    def of_stack(cls, state: Path, record: Path) -> "Sources":
        """Those of a stack on this machine, by its state file. Raises `Unreadable`."""
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
            raise Unreadable(f"{state} does not tell where to read: {error!r}") from error
