"""Reads everything that notifications store."""

import asyncpg


async def everything_stored(database: asyncpg.Pool) -> str:
    tables = await database.fetch(
        "select format('%I.%I', schemaname, tablename) as name from pg_tables"
        " where schemaname in ('public', 'messaging')"
    )
    return str([await database.fetch(f"select * from {table['name']}") for table in tables])
