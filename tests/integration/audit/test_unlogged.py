"""The audit reads events that the log lacks from outbox and inbox, with the read-only role."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from infra.lab.audit.databases import read_events
from infra.stack import DatabaseUrls, PrivatePostgres
from marketplace_runtime.database import migrate, new_id

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
PLACED, OTHER = "checkout.order-placed.v1", "checkout.order-placed.v2"
NO_TABLES = """
revision = "0001"
down_revision = None

def upgrade():
    pass
"""


@pytest.fixture
async def urls(postgres: PrivatePostgres, tmp_path: Path) -> dict[str, DatabaseUrls]:
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / "0001_nothing.py").write_text(NO_TABLES)
    found = {service: await postgres.create_database(f"unlogged_{service}") for service in ("catalog", "checkout")}
    for each in found.values():
        await migrate(each.owner, app_url=each.app, migrations=tmp_path)
    return found


async def test_an_event_is_read_from_its_outbox_with_every_subscription_that_handled_it(
    urls: dict[str, DatabaseUrls],
) -> None:
    event_id, cause, another = new_id(), new_id(), new_id()
    insert_event = """
        insert into messaging.outbox (event_id, type, subject, at, traceparent, causation_id, body)
        values ($1, $2, 'order-1', $3, '', $4, '{"a": 1}')
    """
    insert_inbox = (
        "insert into messaging.inbox (subscription, event_id, attempt, handled_at) values ('orders', $1, 1, $2)"
    )
    checkout, catalog = [await asyncpg.connect(urls[name].app) for name in ("checkout", "catalog")]
    try:
        for key in ((event_id, PLACED), (event_id, OTHER), (another, PLACED)):
            await checkout.execute(insert_event, *key, AT, cause)
        for handled_id in (event_id, another):
            await catalog.execute(insert_inbox, handled_id, AT)
    finally:
        await checkout.close()
        await catalog.close()

    [found] = await read_events({name: each.audit for name, each in urls.items()}, {(event_id, PLACED)})

    published = found.published
    assert (published.id, published.type, published.user, published.subject, published.at) == (
        event_id,
        PLACED,
        "checkout",
        "order-1",
        AT,
    )
    assert (published.cause, published.raw, published.copies) == (cause, b'{"a": 1}', 0)
    assert published.digests == {hashlib.sha256(published.raw).digest()}
    assert found.handled == {("catalog", "orders"): AT}
