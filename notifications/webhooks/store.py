"""Defines the tables of webhooks, their mapping to domain objects, and all queries."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import registry

from contracts.notifications import WebhookDueV1
from marketplace_runtime.database import Transaction
from marketplace_runtime.http import delete_stored_answers
from marketplace_runtime.scheduler import is_deadline_lost
from notifications.store import EnumText, metadata
from notifications.webhooks.domain import Delivery, DisabledReason, Endpoint, State

DELIVERY_RETENTION = timedelta(days=7)
"""Time for which an ended delivery can be read and sent again, counted from its event."""
MAX_PENDING_DELIVERIES = 100_000
"""Pending deliveries of one endpoint above which it is disabled: about 100 MB."""
MAX_ENDPOINTS_PER_SWEEP = 100
"""Endpoints that one run of a sweep handles."""
MAX_DELETED_PER_SWEEP = 5_000
"""Deliveries that one run of a sweep deletes."""
MAX_REDELIVERED_PER_REQUEST = 10_000
"""Missed deliveries that one request makes due."""
CANDIDATES_KEY = "webhooks.candidates"
"""Key in `session.info` of the endpoints that `load_candidates` found."""

TIMESTAMPTZ = sa.DateTime(timezone=True)
endpoints = sa.Table(
    "webhook_endpoints",
    metadata,
    sa.Column("endpoint_id", sa.Uuid, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("events", sa.ARRAY(sa.Text), nullable=False),
    sa.Column("everyones", sa.Boolean, nullable=False),
    sa.Column("created_at", TIMESTAMPTZ, nullable=False),
    sa.Column("secret", sa.Text, nullable=False),
    sa.Column("old_secret", sa.Text),
    sa.Column("old_secret_until", TIMESTAMPTZ),
    sa.Column("disabled", EnumText(DisabledReason)),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("failing_since", TIMESTAMPTZ),
    sa.Column("rests_until", TIMESTAMPTZ),
    sa.Column("turn", sa.Uuid, nullable=False),
    sa.Column("turn_at", TIMESTAMPTZ),
    sa.Column("missed", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Index("webhook_endpoints_by_owner", "owner", "endpoint_id"),
)
deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    sa.Column("endpoint_id", sa.Uuid, sa.ForeignKey(endpoints.c.endpoint_id), primary_key=True),
    sa.Column("event_id", sa.Uuid, primary_key=True),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("created_at", TIMESTAMPTZ, nullable=False),
    sa.Column("due_at", TIMESTAMPTZ),
    sa.Column("state", EnumText(State), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("attempted_at", TIMESTAMPTZ),
    sa.Column("status", sa.Integer),
    sa.Column("error", sa.Text),
    sa.Index("webhook_deliveries_due", "endpoint_id", "due_at", postgresql_where=sa.text("due_at is not null")),
)

_mapper = registry(metadata=metadata)
_mapper.map_imperatively(Endpoint, endpoints)
_mapper.map_imperatively(Delivery, deliveries)


async def load_candidates(tx: Transaction, people: Iterable[str], *, public: bool) -> None:
    """Lock and load, in one statement, the endpoints that a batch of events about `people` may be for.

    With `public`, the batch contains public events, so all endpoints are loaded.
    """
    may_receive = endpoints.c.everyones | endpoints.c.owner.in_(sorted(set(people)))
    wanted = sa.select(Endpoint).where(sa.true() if public else may_receive)
    found = await tx.session.scalars(wanted.order_by(endpoints.c.endpoint_id).with_for_update())
    tx.session.info[CANDIDATES_KEY] = found.all()


def candidates(tx: Transaction) -> Sequence[Endpoint]:
    """Return the endpoints that `load_candidates` found."""
    found: Sequence[Endpoint] = tx.session.info[CANDIDATES_KEY]
    return found


async def due_deliveries(tx: Transaction, endpoint: Endpoint, now: datetime) -> Sequence[Delivery]:
    """Return the deliveries to send now, longest due first.

    While the endpoint fails, returns only the one that became due last, as a probe.
    """
    first = deliveries.c.due_at.desc() if endpoint.failures else deliveries.c.due_at
    wanted = sa.select(Delivery).where(deliveries.c.endpoint_id == endpoint.endpoint_id, deliveries.c.due_at <= now)
    return (await tx.session.scalars(wanted.order_by(first).limit(endpoint.max_concurrent_requests))).all()


async def next_due_at(tx: Transaction, endpoint_id: UUID) -> datetime | None:
    """Return when the next delivery of an endpoint is due. None if none is pending."""
    await tx.flush()
    soonest = sa.select(sa.func.min(deliveries.c.due_at)).where(deliveries.c.endpoint_id == endpoint_id)
    found: datetime | None = await tx.session.scalar(soonest)
    return found


async def is_overrun(tx: Transaction, endpoint_id: UUID) -> bool:
    """Whether an endpoint has more pending deliveries than `MAX_PENDING_DELIVERIES`."""
    waiting = deliveries.c.endpoint_id == endpoint_id, deliveries.c.due_at.is_not(None)
    one_more = sa.select(deliveries.c.event_id).where(*waiting).offset(MAX_PENDING_DELIVERIES).limit(1)
    return await tx.session.scalar(one_more) is not None


async def deliveries_by_id(tx: Transaction, endpoint_id: UUID, event_ids: Iterable[UUID]) -> dict[UUID, Delivery]:
    """Return deliveries of an endpoint by event id. Expects its row to be locked."""
    wanted = deliveries.c.endpoint_id == endpoint_id, deliveries.c.event_id.in_(list(event_ids))
    return {each.event_id: each for each in await tx.session.scalars(sa.select(Delivery).where(*wanted))}


def oldest_kept_id(now: datetime) -> UUID:
    """Return the lower bound of the ids (UUIDv7) of events that are still kept."""
    return UUID(int=int((now - DELIVERY_RETENTION).timestamp() * 1000) << 80)


async def prune(tx: Transaction, endpoint_id: UUID, now: datetime) -> None:
    """Delete ended deliveries of an endpoint whose events, by their ids, are older than `DELIVERY_RETENTION`."""
    old = deliveries.c.due_at.is_(None), deliveries.c.event_id < oldest_kept_id(now)
    await tx.session.execute(sa.delete(deliveries).where(deliveries.c.endpoint_id == endpoint_id, *old))


async def prune_disabled(tx: Transaction, now: datetime) -> None:
    """Delete at most `MAX_DELETED_PER_SWEEP` expired deliveries of disabled endpoints."""
    old = (
        sa.select(deliveries.c.endpoint_id, deliveries.c.event_id)
        .join(endpoints)
        .where(
            endpoints.c.disabled.is_not(None),
            deliveries.c.due_at.is_(None),
            deliveries.c.event_id < oldest_kept_id(now),
        )
        .limit(MAX_DELETED_PER_SWEEP)
    )
    key = sa.tuple_(deliveries.c.endpoint_id, deliveries.c.event_id)
    await tx.session.execute(sa.delete(deliveries).where(key.in_(old)))


async def make_missed_due(tx: Transaction, endpoint_id: UUID, now: datetime) -> int:
    """Make the oldest missed deliveries of an endpoint due, at most `MAX_REDELIVERED_PER_REQUEST`. Returns how many.

    Expects the row of the endpoint to be locked.
    """
    missed = deliveries.c.endpoint_id == endpoint_id, deliveries.c.state == State.MISSED
    oldest_ids = (
        sa.select(deliveries.c.event_id)
        .where(*missed)
        .order_by(deliveries.c.event_id)
        .limit(MAX_REDELIVERED_PER_REQUEST)
    )
    reschedule = (
        sa.update(deliveries)
        .where(deliveries.c.endpoint_id == endpoint_id, deliveries.c.event_id.in_(oldest_ids))
        .values(state=State.PENDING, due_at=now, attempts=0)
        .returning(deliveries.c.event_id)
    )
    return len((await tx.session.scalars(reschedule)).all())


async def count_missed(tx: Transaction, endpoint_id: UUID) -> int:
    """Return the number of missed events of an endpoint that are still kept."""
    missed = deliveries.c.endpoint_id == endpoint_id, deliveries.c.state == State.MISSED
    return await tx.session.scalar(sa.select(sa.func.count()).where(*missed)) or 0


async def endpoints_of(tx: Transaction, owner: str, *, after: UUID | None, limit: int) -> Sequence[Endpoint]:
    """Return at most `limit` of an owner's endpoints, oldest first; with `after`, those that follow this one."""
    query = sa.select(Endpoint).where(endpoints.c.owner == owner)
    if after is not None:
        query = query.where(endpoints.c.endpoint_id > after)
    return (await tx.session.scalars(query.order_by(endpoints.c.endpoint_id).limit(limit))).all()


async def count_endpoints(tx: Transaction, owner: str) -> int:
    """Return how many endpoints an owner has. Other counts for this owner wait until the transaction ends."""
    await tx.execute("select pg_advisory_xact_lock(hashtextextended($1, 7206))", owner)
    counted = await tx.session.scalar(sa.select(sa.func.count()).where(endpoints.c.owner == owner))
    return counted or 0


async def deliveries_to(
    tx: Transaction, endpoint_id: UUID, *, state: State | None, after: UUID | None, limit: int
) -> Sequence[Delivery]:
    """Return at most `limit` deliveries of an endpoint, in one state or in any, newest first.

    With `after`, only those of older events.
    """
    query = sa.select(Delivery).where(deliveries.c.endpoint_id == endpoint_id)
    if state is not None:
        query = query.where(deliveries.c.state == state)
    if after is not None:
        query = query.where(deliveries.c.event_id < after)
    return (await tx.session.scalars(query.order_by(deliveries.c.event_id.desc()).limit(limit))).all()


async def endpoints_with_lost_turn(tx: Transaction) -> Sequence[Endpoint]:
    """Lock and return endpoints whose turn was lost, at most `MAX_ENDPOINTS_PER_SWEEP`."""
    waits = endpoints.c.turn_at.is_not(None), endpoints.c.disabled.is_(None)
    wanted = (
        sa.select(Endpoint)
        .where(*waits, is_deadline_lost(WebhookDueV1, endpoints.c.endpoint_id))
        .limit(MAX_ENDPOINTS_PER_SWEEP)
    )
    return (await tx.session.scalars(wanted.with_for_update(skip_locked=True))).all()


async def erase(tx: Transaction, endpoint: Endpoint, path: str) -> None:
    """Delete an endpoint, its deliveries, and every stored answer that contains a secret of it."""
    for table in (deliveries, endpoints):
        await tx.session.execute(sa.delete(table).where(table.c.endpoint_id == endpoint.endpoint_id))
    await delete_stored_answers(tx, endpoint.owner, path)
