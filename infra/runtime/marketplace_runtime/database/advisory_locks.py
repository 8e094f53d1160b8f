"""Restricts `pg_locks` to the advisory locks of one database."""

ADVISORY_LOCK_FILTER = (
    "locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())"
)
"""SQL condition on `pg_locks`: matches the advisory locks of this database, and of no other on the server."""
