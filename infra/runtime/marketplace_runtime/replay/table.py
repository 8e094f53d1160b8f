"""Replays: which subscription is fed from the log, by which process, and how far that has come.

There is one row per subscription, of its latest replay. Whoever holds it is the one process that feeds; when that
dies, another takes it over and goes on where the row says. A replay that was stopped, or asked for anew, is not the
holder's any more, which it learns when it next notes how far it is.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from marketplace_runtime.database import Transaction, new_id
from marketplace_runtime.external_calls import missing


@dataclass(frozen=True, slots=True)
class Replay:
    """One replay to one subscription. Offsets are places in the log."""

    subscription: str
    id: UUID
    asked_by: str
    asked_at: datetime
    types: Sequence[str]
    """Which of the types that the subscription hears."""
    rate: int | None
    """Events per second at most; None leaves it to the service's settings."""
    holds: bool
    """Whether live events wait in their queue until it has ended."""
    since: datetime | None
    """Where it begins, unless at `next`; both None: with the log's first message."""
    next: int | None
    """Everything before it is settled. None until it has begun."""
    begun: int | None
    """The first offset that was read."""
    through: int | None
    """The last offset of the log when it began, where it ends. -1: the log was empty. None until it has begun."""
    reached: int
    """The highest offset that may have been handed to the subscription."""
    state: str
    """running, done, stopped or failed."""
    why: str
    """What is in its way, or why it has failed."""
    ended_at: datetime | None
    handed: int
    """How many events were handed to the subscription; some of them twice, if the process died."""
    known: int
    """How many it had handled before."""
    refused: int
    """How many were no events for it: not said by their type's owner, or not readable."""
    too_old: int
    """How many lie so far back that nobody could tell any more whether they were handled."""
    deaths: int
    """How many processes died of what lies before `reached`, or with it in hand."""


COLUMNS = ", ".join(field.name for field in fields(Replay))

ASK = f"""
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

FILL = """
insert into messaging.history (subscription, id, asked_by, types, holds)
values ($1, $2, 'history="first"', $3, true) on conflict do nothing
"""

FOUND = f"select {COLUMNS} from messaging.history where subscription = any($1::text[]) order by subscription"  # noqa: S608 - as above

HOLDING = """
select subscription from messaging.history where subscription = any($1::text[]) and state = 'running' and holds
"""

TAKE = f"""
update messaging.history set holder = $2::bigint, deaths = deaths + (holder is not null and holder <> $2)::int
where subscription = any($1::text[]) and state = 'running' and id <> all($3::uuid[])
    and (holder is null or holder = $2 or {missing("holder")}) and not {missing("$2")}
returning {COLUMNS}
"""  # noqa: S608 - as above

NOTE = """
update messaging.history set
    next = $3, begun = coalesce(begun, $4), through = $5, reached = greatest(reached, $6), why = $7,
    handed = handed + $8, known = known + $9, refused = refused + $10, too_old = too_old + $11,
    deaths = case when $12 then 0 else deaths end, state = $13,
    ended_at = case when $13 = 'running' then null else now() end
where id = $1 and state = 'running' and holder = $2::bigint returning true
"""

LEAVE = "update messaging.history set holder = null where id = $1 and holder = $2::bigint"

STOP = """
update messaging.history set state = 'stopped', ended_at = now() where subscription = $1 and state = 'running'
"""


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """A replay that somebody asks for. `id` is of the asker's making: asking again under it changes nothing."""

    id: UUID
    subscription: str
    types: Sequence[str]
    asked_by: str
    rate: int | None
    holds: bool
    since: datetime | None
    offset: int | None


@dataclass(frozen=True, slots=True)
class Step:
    """How far a replay has come, and what came of what was read since it was last noted."""

    next: int | None
    begun: int | None
    through: int | None
    reached: int = -1
    why: str = ""
    handed: int = 0
    known: int = 0
    refused: int = 0
    too_old: int = 0
    survived: bool = False
    """Whether everything is settled that processes may have died of."""
    state: str = "running"


async def ask(tx: Transaction, wish: ReplayRequest) -> Replay | None:
    """Begin a replay; the process that takes it is not necessarily this one. None if another one is running."""
    values = (wish.id, wish.asked_by, list(wish.types), wish.rate, wish.holds, wish.since, wish.offset)
    for row in await tx.execute(ASK, wish.subscription, *values):
        return Replay(*row)
    [replay] = await find(tx, [wish.subscription])
    return replay if replay.id == wish.id else None


async def fill(tx: Transaction, wanted: Mapping[str, Sequence[str]]) -> None:
    """Begin the first replay of subscriptions that never had one: everything of these types."""
    for subscription, types in wanted.items():
        await tx.execute(FILL, subscription, new_id(), list(types))


async def find(tx: Transaction, subscriptions: Sequence[str]) -> list[Replay]:
    """The latest replay of each of these, where there was one."""
    return [Replay(*row) for row in await tx.execute(FOUND, list(subscriptions))]


async def holding(tx: Transaction, subscriptions: Sequence[str]) -> set[str]:
    """Whose live events have to wait now."""
    return {row[0] for row in await tx.execute(HOLDING, list(subscriptions))}


async def take(tx: Transaction, subscriptions: Sequence[str], fed: Collection[UUID]) -> list[Replay]:
    """Make this process the one that feeds what nobody alive feeds; it feeds those in `fed` already."""
    return [Replay(*row) for row in await tx.execute(TAKE, list(subscriptions), tx.process_id, list(fed))]


async def note(tx: Transaction, id: UUID, step: Step) -> bool:
    """Write down how far a replay is. False if it is not this process's any more, which then has to leave it."""
    counts: list[Any] = [step.handed, step.known, step.refused, step.too_old]
    place: list[Any] = [step.next, step.begun, step.through, step.reached, step.why]
    return bool(await tx.execute(NOTE, id, tx.process_id, *place, *counts, step.survived, step.state))


async def leave(tx: Transaction, id: UUID) -> None:
    """Let another process go on at once."""
    await tx.execute(LEAVE, id, tx.process_id)


async def stop(tx: Transaction, subscription: str) -> None:
    """End a replay before its time, where one is running."""
    await tx.execute(STOP, subscription)
