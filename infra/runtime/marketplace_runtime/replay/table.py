"""Stores replays: the subscription, the process that runs the replay, and its progress.

There is one row per subscription, for its latest replay. Only the process that is named as `holder` runs it. When that
process dies, another one takes the replay over and continues where the row says. A replay that was stopped, or
requested again, no longer belongs to its holder. The holder learns this when it next stores its progress.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from marketplace_runtime.database import Transaction, new_id
from marketplace_runtime.external_calls import lacks_liveness_lock


@dataclass(frozen=True, slots=True)
class Replay:
    """One replay to one subscription. Offsets are places in the log stream."""

    subscription: str
    id: UUID
    asked_by: str
    asked_at: datetime
    types: Sequence[str]
    """Event types to replay, of those that the subscription receives."""
    rate: int | None
    """Maximum number of events per second. None: the service's own setting."""
    holds: bool
    """Whether live events wait in their queue until it has ended."""
    since: datetime | None
    """Time from which it reads, unless `next` is set. If both are None, it begins with the log's first message."""
    next: int | None
    """Offset to read next: everything before it is acknowledged. None before the start, unless one was requested."""
    begun: int | None
    """The first offset that was read."""
    through: int | None
    """Last offset of the log when it began, at which it ends. -1: the log was empty. None until it has begun."""
    reached: int
    """Highest offset that may have been handed to the subscription."""
    state: str
    """running, done, stopped or failed."""
    why: str
    """What blocks it, or why it has failed. Empty if neither."""
    ended_at: datetime | None
    handed: int
    """Number of events handed to the subscription. Some are counted twice if the process died."""
    known: int
    """Number of events that it had handled before."""
    refused: int
    """Number of messages that are not valid events: not published by the owner of their type, or not readable."""
    too_old: int
    """Number of events that are too old to check whether they were handled."""
    deaths: int
    """Number of processes that died while they handled messages up to `reached`, whether or not because of them."""


COLUMNS = ", ".join(field.name for field in fields(Replay))

BEGIN = f"""
insert into messaging.history (subscription, id, asked_by, types, rate, holds, since, next)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (subscription) do update set
    (id, asked_by, asked_at, types, rate, holds, since, next, begun, through, reached, state, why, ended_at,
        handed, known, refused, too_old, holder, deaths)
    = (excluded.id, excluded.asked_by, now(), excluded.types, excluded.rate, excluded.holds, excluded.since,
        excluded.next, null, null, -1, 'running', '', null, 0, 0, 0, 0, null, 0)
where history.state <> 'running' and history.id <> excluded.id
returning {COLUMNS}
"""  # noqa: S608 - constants

BEGIN_FIRST = """
insert into messaging.history (subscription, id, asked_by, types, holds)
values ($1, $2, 'history="first"', $3, true) on conflict do nothing
"""

SELECT_LATEST = f"select {COLUMNS} from messaging.history where subscription = any($1::text[]) order by subscription"  # noqa: S608 - as above

SELECT_HELD = """
select subscription from messaging.history where subscription = any($1::text[]) and state = 'running' and holds
"""

TAKE_OVER = f"""
update messaging.history set holder = $2::bigint, deaths = deaths + (holder is not null and holder <> $2)::int
where subscription = any($1::text[]) and state = 'running' and id <> all($3::uuid[])
    and (holder is null or holder = $2 or {lacks_liveness_lock("holder")}) and not {lacks_liveness_lock("$2")}
returning {COLUMNS}
"""  # noqa: S608 - as above

STORE_PROGRESS = """
update messaging.history set
    next = $3, begun = coalesce(begun, $4), through = $5, reached = greatest(reached, $6), why = $7,
    handed = handed + $8, known = known + $9, refused = refused + $10, too_old = too_old + $11,
    deaths = case when $12 then 0 else deaths end, state = $13,
    ended_at = case when $13 = 'running' then null else now() end
where id = $1 and state = 'running' and holder = $2::bigint returning true
"""

RELEASE = "update messaging.history set holder = null where id = $1 and holder = $2::bigint"

STOP = """
update messaging.history set state = 'stopped', ended_at = now() where subscription = $1 and state = 'running'
"""


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """A request for a replay. The client chooses `id`; a repeated request with the same `id` changes nothing."""

    id: UUID
    subscription: str
    types: Sequence[str]
    asked_by: str
    rate: int | None
    holds: bool
    since: datetime | None
    offset: int | None


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a replay, with the counts since it was last stored."""

    next: int | None
    begun: int | None
    through: int | None
    reached: int = -1
    why: str = ""
    handed: int = 0
    known: int = 0
    refused: int = 0
    too_old: int = 0
    resets_deaths: bool = False
    """Whether `deaths` starts again at 0, as all messages are acknowledged that may have caused them."""
    state: str = "running"


async def begin(tx: Transaction, request: ReplayRequest) -> Replay | None:
    """Begin a replay, and return it. Any process of the service may run it. None if another one is running."""
    values = (
        request.id,
        request.asked_by,
        list(request.types),
        request.rate,
        request.holds,
        request.since,
        request.offset,
    )
    for row in await tx.execute(BEGIN, request.subscription, *values):
        return Replay(*row)
    [replay] = await find(tx, [request.subscription])
    return replay if replay.id == request.id else None


async def begin_first(tx: Transaction, wanted: Mapping[str, Sequence[str]]) -> None:
    """Begin the first replay of subscriptions that never had one, with all events of these types."""
    for subscription, types in wanted.items():
        await tx.execute(BEGIN_FIRST, subscription, new_id(), list(types))


async def find(tx: Transaction, subscriptions: Sequence[str]) -> list[Replay]:
    """Return the latest replay of each of these subscriptions that had one."""
    return [Replay(*row) for row in await tx.execute(SELECT_LATEST, list(subscriptions))]


async def find_held(tx: Transaction, subscriptions: Sequence[str]) -> set[str]:
    """Return the subscriptions whose live events have to wait now."""
    return {row[0] for row in await tx.execute(SELECT_HELD, list(subscriptions))}


async def take_over(tx: Transaction, subscriptions: Sequence[str], running: Collection[UUID]) -> list[Replay]:
    """Take over the running replays that no live process runs, and return them.

    `running` are the ids of the replays that this process runs already.
    """
    return [Replay(*row) for row in await tx.execute(TAKE_OVER, list(subscriptions), tx.process_id, list(running))]


async def store_progress(tx: Transaction, id: UUID, progress: Progress) -> bool:
    """Store the progress of a replay. False if it no longer belongs to this process, which must then stop the run."""
    counts: list[Any] = [progress.handed, progress.known, progress.refused, progress.too_old]
    place: list[Any] = [progress.next, progress.begun, progress.through, progress.reached, progress.why]
    return bool(
        await tx.execute(STORE_PROGRESS, id, tx.process_id, *place, *counts, progress.resets_deaths, progress.state)
    )


async def release(tx: Transaction, id: UUID) -> None:
    """Release a replay, so that another process can continue it at once."""
    await tx.execute(RELEASE, id, tx.process_id)


async def stop(tx: Transaction, subscription: str) -> None:
    """Stop the replay of a subscription, if one is running."""
    await tx.execute(STOP, subscription)
