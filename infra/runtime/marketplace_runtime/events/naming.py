"""Defines the names of an application's resources. The runtime needs to know nothing else about it."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Naming:
    """Holds the names of an application's broker objects, database schema, problem types and token audience.

    All services of an application use the same value. Raises `ValueError` for a name that is not valid.
    """

    application: str
    log_stream: str
    """Name of the stream that keeps every published event."""
    problem_type_prefix: str
    """Prefix of the types of problem documents, such as `urn:problem:shop:`."""
    token_audience: str
    """The `aud` that bearer tokens must have, unless a service's settings name another."""
    events: str = "events"
    """The exchange that a service publishes to is `<service>.<events>`."""
    dead_letters: str = "dead"
    """The exchange and queue of a service's dead letters are `<service>.<dead_letters>`."""
    auditor: str = "audit"
    """The broker user that may read the log stream and monitor the broker, and nothing else."""
    database_schema: str = "messaging"
    """The schema of the runtime's tables in each service's database. If it is not `messaging`, `messaging.` is replaced
    by it in every SQL statement, so a service must not name anything of its own `messaging`."""

    def __post_init__(self) -> None:
        for name in (self.application, self.events, self.dead_letters, self.auditor, self.database_schema):
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
                raise ValueError(f"{name!r} is not a valid name: begin with a letter, use at most 41 of a-z, 0-9, _")

    def exchange(self, service: str) -> str:
        """Return the exchange to which a service publishes its events."""
        return f"{service}.{self.events}"

    def dead_letter_name(self, service: str) -> str:
        """Return the name of both the exchange and the queue of a service's dead letters."""
        return f"{service}.{self.dead_letters}"

    @staticmethod
    def queue(service: str, subscription: str) -> str:
        """Return the queue of a subscription."""
        return f"{service}.{subscription}"


PLACEHOLDER_NAMING = Naming("application", "application.log", "urn:problem:application:", "application")
"""Placeholder names for tests of single parts, which need no application."""
