"""What modules below the transaction need of it."""

from typing import Any, Protocol


class Statements(Protocol):
    """Runs statements, within a transaction."""

    async def execute(self, statement: str, *values: Any) -> list[Any]:
        """Run one statement in PostgreSQL's own words ($1, $2 …). Returns its rows."""
