"""The tables of webhooks, and every query on them."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import registry

from contracts.notifications import WebhookDueV1
from marketplace_runtime.database import Transaction
from marketplace_runtime.http import forget_answers
from marketplace_runtime.scheduler import is_lost
from notifications.store import Word, metadata
from notifications.webhooks.domain import Delivery, DisabledReason, Endpoint, State

KEPT = timedelta(days=7)
"""How long it can be seen, and sent again, what was settled."""
MOST_WAITING = 100_000
"""Deliveries to one endpoint: some 100 MB."""
MAX_PER_SWEEP = 100
"""Endpoints that one sweep takes."""
MOST_DELETED = 5_000
"""Deliveries that one sweep deletes."""
MOST_REDELIVERED = 10_000
"""Missed deliveries that one request has sent."""
CANDIDATES = "webhooks.candidates"

MOMENT = sa.DateTime(timezone=True)
endpoints = sa.Table(
    "webhook_endpoints",
    metadata,
    sa.Column("endpoint_id", sa.Uuid, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("events", sa.ARRAY(sa.Text), nullable=False),
    sa.Column("everyones", sa.Boolean, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Column("secret", sa.Text, nullable=False),
    sa.Column("old_secret", sa.Text),
    sa.Column("old_secret_until", MOMENT),
    sa.Column("disabled", Word(DisabledReason)),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("failing_since", MOMENT),
    sa.Column("rests_until", MOMENT),
    sa.Column("turn", sa.Uuid, nullable=False),
    sa.Column("turn_at", MOMENT),
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
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Column("due_at", MOMENT),
    sa.Column("state", Word(State), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("attempted_at", MOMENT),
    sa.Column("status", sa.Integer),
    sa.Column("error", sa.Text),
    sa.Index("webhook_deliveries_due", "endpoint_id", "due_at", postgresql_where=sa.text("due_at is not null")),
)

_mapper = registry(metadata=metadata)
_mapper.map_imperatively(Endpoint, endpoints)
_mapper.map_imperatively(Delivery, deliveries)


async def load_candidates(tx: Transaction, people: Iterable[str], *, public: bool) -> None:
    """Lock, in one statement for a whole batch, the endpoints that events naming `people` may be for."""
    theirs = endpoints.c.everyones | endpoints.c.owner.in_(sorted(set(people)))
    wanted = sa.select(Endpoint).where(sa.true() if public else theirs)
    found = await tx.session.scalars(wanted.order_by(endpoints.c.endpoint_id).with_for_update())
    tx.session.info[CANDIDATES] = found.all()


def candidates(tx: Transaction) -> Sequence[Endpoint]:
    """What `load_candidates` found."""
    found: Sequence[Endpoint] = tx.session.info[CANDIDATES]
    return found


async def due(tx: Transaction, endpoint: Endpoint, now: datetime) -> Sequence[Delivery]:
    """What the endpoint is to be sent now: what is due longest; of one that fails, what came last."""
    first = deliveries.c.due_at.desc() if endpoint.failures else deliveries.c.due_at
    wanted = sa.select(Delivery).where(deliveries.c.endpoint_id == endpoint.endpoint_id, deliveries.c.due_at <= now)
    return (await tx.session.scalars(wanted.order_by(first).limit(endpoint.most_at_once))).all()


async def next_due(tx: Transaction, endpoint_id: UUID) -> datetime | None:
    """When something is to be sent next; None where nothing waits."""
    await tx.flush()
    soonest = sa.select(sa.func.min(deliveries.c.due_at)).where(deliveries.c.endpoint_id == endpoint_id)
    found: datetime | None = await tx.session.scalar(soonest)
    return found


async def is_overrun(tx: Transaction, endpoint_id: UUID) -> bool:
    """Whether more waits for an endpoint than we keep."""
    waiting = deliveries.c.endpoint_id == endpoint_id, deliveries.c.due_at.is_not(None)
    one_more = sa.select(deliveries.c.event_id).where(*waiting).offset(MOST_WAITING).limit(1)
    return await tx.session.scalar(one_more) is not None


async def deliveries_by_id(tx: Transaction, endpoint_id: UUID, event_ids: Iterable[UUID]) -> dict[UUID, Delivery]:
    """Deliveries of an endpoint whose row is locked, by their events."""
    wanted = deliveries.c.endpoint_id == endpoint_id, deliveries.c.event_id.in_(list(event_ids))
    return {each.event_id: each for each in await tx.session.scalars(sa.select(Delivery).where(*wanted))}


def oldest(now: datetime) -> UUID:
    """The id that an event of the longest time ago that is kept would have."""
    return UUID(int=int((now - KEPT).timestamp() * 1000) << 80)


async def prune(tx: Transaction, endpoint_id: UUID, now: datetime) -> None:
    """Forget what was settled and happened long ago, which the ids of events tell."""
    old = deliveries.c.due_at.is_(None), deliveries.c.event_id < oldest(now)
    await tx.session.execute(sa.delete(deliveries).where(deliveries.c.endpoint_id == endpoint_id, *old))


async def prune_disabled(tx: Transaction, now: datetime) -> None:
    """The same for endpoints that are disabled, which have no turns: a bounded number."""
    old = (
        sa.select(deliveries.c.endpoint_id, deliveries.c.event_id)
        .join(endpoints)
        .where(endpoints.c.disabled.is_not(None), deliveries.c.due_at.is_(None), deliveries.c.event_id < oldest(now))
        .limit(MOST_DELETED)
    )
    key = sa.tuple_(deliveries.c.endpoint_id, deliveries.c.event_id)
    await tx.session.execute(sa.delete(deliveries).where(key.in_(old)))


async def make_missed_due(tx: Transaction, endpoint_id: UUID, now: datetime) -> int:
    """Have sent what an endpoint, whose row is locked, missed: the oldest, a bounded number. Returns how many."""
    missed = deliveries.c.endpoint_id == endpoint_id, deliveries.c.state == State.MISSED
    first = sa.select(deliveries.c.event_id).where(*missed).order_by(deliveries.c.event_id).limit(MOST_REDELIVERED)
    again = (
        sa.update(deliveries)
        .where(deliveries.c.endpoint_id == endpoint_id, deliveries.c.event_id.in_(first))
        .values(state=State.PENDING, due_at=now, attempts=0)
        .returning(deliveries.c.event_id)
    )
    return len((await tx.session.scalars(again)).all())


async def count_missed(tx: Transaction, endpoint_id: UUID) -> int:
    """The number of events that the endpoint missed and that are still kept."""
    missed = deliveries.c.endpoint_id == endpoint_id, deliveries.c.state == State.MISSED
    return await tx.session.scalar(sa.select(sa.func.count()).where(*missed)) or 0


async def endpoints_of(tx: Transaction, owner: str, *, after: UUID | None, limit: int) -> Sequence[Endpoint]:
    """Somebody's endpoints, oldest first."""
    query = sa.select(Endpoint).where(endpoints.c.owner == owner)
    if after is not None:
        query = query.where(endpoints.c.endpoint_id > after)
    return (await tx.session.scalars(query.order_by(endpoints.c.endpoint_id).limit(limit))).all()


async def count_of(tx: Transaction, owner: str) -> int:
    """How many endpoints somebody has. Until the end, nobody else counts theirs."""
    await tx.execute("select pg_advisory_xact_lock(hashtextextended($1, 7206))", owner)
    counted = await tx.session.scalar(sa.select(sa.func.count()).where(endpoints.c.owner == owner))
    return counted or 0


async def deliveries_to(
    tx: Transaction, endpoint_id: UUID, *, state: State | None, after: UUID | None, limit: int
) -> Sequence[Delivery]:
    """What an endpoint was or is to be sent, or only what is in one state; newest first."""
    query = sa.select(Delivery).where(deliveries.c.endpoint_id == endpoint_id)
    if state is not None:
        query = query.where(deliveries.c.state == state)
    if after is not None:
        query = query.where(deliveries.c.event_id < after)
    return (await tx.session.scalars(query.order_by(deliveries.c.event_id.desc()).limit(limit))).all()


async def forgotten_endpoints(tx: Transaction) -> Sequence[Endpoint]:
    """Lock and return some of the endpoints that wait for a turn which is not scheduled."""
    waits = endpoints.c.turn_at.is_not(None), endpoints.c.disabled.is_(None)
    wanted = sa.select(Endpoint).where(*waits, is_lost(WebhookDueV1, endpoints.c.endpoint_id)).limit(MAX_PER_SWEEP)
    return (await tx.session.scalars(wanted.with_for_update(skip_locked=True))).all()


async def erase(tx: Transaction, endpoint: Endpoint, path: str) -> None:
    """Forget an endpoint, all that it was sent, and every answer that showed a secret of it."""
    for table in (deliveries, endpoints):
        await tx.session.execute(sa.delete(table).where(table.c.endpoint_id == endpoint.endpoint_id))
    await forget_answers(tx, endpoint.owner, path)
