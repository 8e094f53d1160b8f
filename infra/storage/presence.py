"""Which processes of a service are alive, as its database sees it.

A live process holds a session lock that names it. When it dies the server drops the lock, and what the
process had claimed or leased is free at once: nobody waits for a lease to run out.
"""

from infra.storage.transaction import Transaction

CLASS = 7205
"""The first half of the two-part advisory lock that says "this process is here"."""

ANNOUNCE = f"select pg_advisory_lock({CLASS}, $1::int)"

HERE = "locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())"
"""Of all the server's locks, the advisory ones of this database."""

ALIVE = f"select objid::bigint from pg_locks where {HERE} and classid = {CLASS} and objsubid = 2"  # noqa: S608 - a constant

FREE = f"""
with freed as (
    update messaging.scheduled set due = now(), holder = null, deaths = deaths + 1
    where holder is not null and due > now() and holder not in ({ALIVE})
)
delete from messaging.claims where holder not in ({ALIVE})
"""  # noqa: S608 - a constant


async def free_what_the_dead_hold(tx: Transaction) -> None:
    """Give back the claims and leases of processes that are gone."""
    await tx.execute(FREE)
