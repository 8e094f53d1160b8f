"""Defines the part of a transaction that modules below it use."""

from typing import Any, Protocol


class Statements(Protocol):
    """Runs statements within a transaction."""

    async def execute(self, statement: str, *values: Any) -> list[Any]:
        """Run one statement with PostgreSQL's own placeholders ($1, $2 …), and return its rows."""
