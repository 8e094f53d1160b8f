"""An operator queues published events again over HTTP, chunk by chunk."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from marketplace_runtime.database import Database, new_id
from tests.integration.http.conftest import Web
from tests.unit.http.client import bearer

OPERATOR = bearer("root", ("operator",))
PATH = "/ops/republish"


@pytest.fixture
async def published(database: Database) -> list[UUID]:
    """Store events that the broker confirmed long ago."""
    ids = [new_id() for _ in range(3)]
    async with database.transaction() as tx:
        await tx.execute("delete from messaging.outbox")
        await tx.execute("delete from messaging.outbox_pending")
        for id in ids:
            await tx.execute("insert into messaging.outbox values ($1, 'a.b.v1', 's', now(), 't', null, 'body')", id)
    return ids


async def test_published_events_become_pending_again(web: Web, published: list[UUID]) -> None:
    queued = (await web.request("POST", PATH, json={}, headers=OPERATOR)).json
    assert (queued["events"], queued["after"]) == (3, None)
    waiting = await web.request("GET", f"{PATH}?last={queued['last']}", headers=OPERATOR)
    assert waiting.json == {"waiting": 3}
    beyond = {"after": str(published[1])}
    assert (await web.request("POST", PATH, json=beyond, headers=OPERATOR)).json["events"] == 0, (
        "they are already pending"
    )


@pytest.mark.usefixtures("published")
async def test_only_events_in_the_time_span_are_queued(web: Web) -> None:
    now = datetime.now(UTC)
    for span in (
        {"until": (now - timedelta(hours=1)).isoformat()},
        {"until": "0001-01-01T00:00:00+23:59"},
        {"since": (now + timedelta(hours=1)).isoformat()},
        {"since": "9999-12-31T23:59:59-23:59"},
    ):
        assert (await web.request("POST", PATH, json=span, headers=OPERATOR)).json["events"] == 0


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("since", ["2020-01-01T00:00:00Z", "2999-01-01T00:00:00", "yesterday"])
async def test_an_invalid_time_is_refused(web: Web, database: Database, since: str) -> None:
    refused = await web.request("POST", PATH, json={"since": since}, headers=OPERATOR)
    assert (refused.status, refused.slug) == (422, "unprocessable")
    async with database.transaction() as tx:
        assert await tx.execute("select * from messaging.outbox_pending") == []


async def test_only_operators_may_republish(web: Web) -> None:
    assert (await web.request("POST", PATH, json={}, headers=bearer("alice"))).status == 403
    assert (await web.request("GET", f"{PATH}?last=1", headers=bearer("alice"))).status == 403
