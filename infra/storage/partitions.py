"""Daily partitions of inbox and outbox, made ahead so that an insert always finds its own."""

from infra.storage.transaction import Transaction

DAYS_BACK, DAYS_AHEAD = 8, 2

MAKE = """
select messaging.make_partitions(
    (now() at time zone 'utc')::date - $1::int, (now() at time zone 'utc')::date + $2::int)
"""


async def make_partitions(tx: Transaction) -> None:
    """Make what is missing between the horizon and the day after tomorrow; call it at least daily."""
    await tx.execute("select pg_advisory_xact_lock(7205759404)")
    await tx.execute(MAKE, DAYS_BACK, DAYS_AHEAD)
