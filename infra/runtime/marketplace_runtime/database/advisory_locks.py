"""Advisory locks of one database, as `pg_locks` lists them."""

HERE = "locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())"
"""A condition on `pg_locks`: the advisory locks of this database, and of no other on the server."""
