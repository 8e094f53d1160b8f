"""Defines the interface by which the clock, outbox and schedule use a transaction.

They cannot import `Transaction` itself, because its module imports them.
"""

from typing import Any, Protocol


class StatementExecutor(Protocol):
    """Runs statements within a transaction."""

    async def execute(self, statement: str, *values: Any) -> list[Any]:
        """Run one statement with PostgreSQL's own placeholders ($1, $2 …), and return its rows."""
