"""Defines the interface of a transaction for the clock, outbox and schedule, which `transaction` imports."""

from typing import Any, Protocol


class StatementExecutor(Protocol):
    """Runs statements within a transaction."""

    async def execute(self, statement: str, *values: Any) -> list[Any]:
        """Run one statement with PostgreSQL's own placeholders ($1, $2 …), and return its rows."""
