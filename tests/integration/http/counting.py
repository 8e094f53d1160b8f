"""Counts rows in the database of the notes."""

from marketplace_runtime.database import Database


async def rows(database: Database, table: str) -> int:
    async with database.transaction() as tx:
        [(count,)] = await tx.execute(f"select count(*) from {table}")
        return int(count)
