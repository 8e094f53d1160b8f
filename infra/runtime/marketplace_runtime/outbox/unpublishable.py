"""Sets aside outbox rows that cannot be published, so that they do not block those of other aggregates.

A row that every consumer would reject as invalid is not sent at all. A row that the broker refuses is found by sending
rows one by one. It counts as bad only if the broker accepts another row at the same time. If it accepts none, no row is
at fault, and all wait.

Later rows of the same aggregate are still published. Each states a fact that is true without the bad row, and no
consumer could have read the bad row anyway.
"""

from collections.abc import Sequence

import asyncpg

from marketplace_runtime.amqp import Publisher, wire_format
from marketplace_runtime.database import Database
from marketplace_runtime.outbox import metrics, table
from marketplace_runtime.outbox.table import Pending
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

UnpublishableRows = list[tuple[Pending, str]]


def find_unpublishable(rows: Sequence[Pending], source: str) -> UnpublishableRows:
    """Return the rows that every consumer would reject as invalid, each with the reason."""
    found = ((row, _why_unpublishable(row, f"{source}.")) for row in rows)
    return [(row, why) for row, why in found if why is not None]


async def publish_one_by_one(
    rows: Sequence[Pending], source: str, publisher: Publisher
) -> tuple[list[int], UnpublishableRows]:
    """Publish `rows` one at a time. Returns the sequence numbers of confirmed rows, and the refused rows with reasons.

    Returns no refused rows if the broker confirmed no row at all.
    """
    confirmed: list[int] = []
    refused: UnpublishableRows = []
    for row in rows:
        await publisher.wait_until_ready()
        [sent] = await publisher.publish_all([(row.envelope(source), row.body)])
        if sent:
            confirmed.append(row.seq)
        elif (why := publisher.take_refusal()) is not None:
            refused.append((row, why))
        else:
            break  # the connection was lost: that says nothing about the row
    return confirmed, refused if confirmed else []


async def set_aside(connection: asyncpg.Connection, bad: UnpublishableRows, database: Database) -> None:
    """Move `bad` rows from `outbox_pending` to `outbox_set_aside`, where operators find them with the reason."""
    for row, why in bad:
        log.error("event set aside", event_id=str(row.event_id), type=row.type, subject=row.subject[:100], why=why)
        metrics.outbox_set_aside_total.labels(row.type[:255]).inc()
    rows = [row for row, _ in bad]
    await connection.execute(
        database.in_schema(table.SET_ASIDE),
        [row.seq for row in rows],
        [row.subject for row in rows],
        [why for _, why in bad],
    )


def _why_unpublishable(row: Pending, type_prefix: str) -> str | None:
    if len(row.body) > wire_format.MAX_BODY_BYTES:
        return f"the body has {len(row.body)} bytes; at most {wire_format.MAX_BODY_BYTES} are read"
    if not row.type.startswith(type_prefix):
        return f"{type_prefix}events is not the exchange for events of type {row.type[:255]}"
    if len(row.type.encode()) > wire_format.MAX_ATTRIBUTE_CHARACTERS:  # a routing key is counted in bytes
        return f"the type has more than {wire_format.MAX_ATTRIBUTE_CHARACTERS} bytes"
    for text in (row.subject, row.traceparent):
        if not 0 < len(text) <= wire_format.MAX_ATTRIBUTE_CHARACTERS:
            return (
                f"{text[:40]!r} is the subject or traceparent, which must have 1 to "
                f"{wire_format.MAX_ATTRIBUTE_CHARACTERS} characters"
            )
    return None
