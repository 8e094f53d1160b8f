"""Setting aside: an outbox row that can't be published as it is must not hold up those of other aggregates.

What no consumer would read is not sent at all. What the broker refuses is found by sending rows one by one: a row
is bad only if the broker takes another one at the same time. If it takes none, the fault is no row's, and all wait.
Later rows of the aggregate go on: what they state is true, and no consumer could have read the one before.
"""

from collections.abc import Sequence

import asyncpg

from marketplace_runtime.amqp import Publisher, wire_format
from marketplace_runtime.database import Database
from marketplace_runtime.outbox import metrics, table
from marketplace_runtime.outbox.table import Pending
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

Bad = list[tuple[Pending, str]]


def unsendable(rows: Sequence[Pending], source: str) -> Bad:
    """The rows that no consumer would read, with the reason."""
    found = ((row, _why(row, f"{source}.")) for row in rows)
    return [(row, why) for row, why in found if why is not None]


async def send_one_by_one(rows: Sequence[Pending], source: str, publisher: Publisher) -> tuple[list[int], Bad]:
    """Publish `rows` alone, each. Returns what was confirmed, and what the broker refused though it took others."""
    confirmed: list[int] = []
    refused: Bad = []
    for row in rows:
        await publisher.ready()
        [sent] = await publisher.publish_all([(row.envelope(source), row.body)])
        if sent:
            confirmed.append(row.seq)
        elif (why := publisher.take_refusal()) is not None:
            refused.append((row, why))
        else:
            break  # the connection was lost: that says nothing about the row
    return confirmed, refused if confirmed else []


async def set_aside(connection: asyncpg.Connection, bad: Bad, database: Database) -> None:
    """Take `bad` rows out of what waits to be published; people find them with the reason."""
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


def _why(row: Pending, own: str) -> str | None:
    if len(row.body) > wire_format.MAX_BODY_BYTES:
        return f"the body has {len(row.body)} bytes; at most {wire_format.MAX_BODY_BYTES} are read"
    if not row.type.startswith(own):
        return f"{own}events takes no events of type {row.type[:255]}"
    if len(row.type.encode()) > wire_format.MAX_TEXT:  # a routing key is counted in bytes
        return f"the type has more than {wire_format.MAX_TEXT} bytes"
    for text in (row.subject, row.traceparent):
        if not 0 < len(text) <= wire_format.MAX_TEXT:
            return f"{text[:40]!r} is no text of 1 to {wire_format.MAX_TEXT} characters"
    return None
