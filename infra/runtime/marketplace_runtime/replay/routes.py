"""Feeding a subscription from the log: an operator asks for a replay, looks how far it is, or ends it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Protocol
from uuid import UUID

from fastapi import Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from marketplace_runtime.database import HORIZON
from marketplace_runtime.events import matches
from marketplace_runtime.http import Conflict, Matching, NotFound, Operator, Router, Tx, Unprocessable
from marketplace_runtime.replay import table
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

Name = Annotated[str, Matching(r"^[a-z][a-z0-9-]{0,62}$", "Lower-case letters, digits and hyphens, after a letter.")]
Offset = Annotated[int, Field(ge=0, le=2**63 - 1)]


class Heard(Protocol):
    """A subscription, as the service's table has it."""

    @property
    def name(self) -> str: ...
    @property
    def types(self) -> list[str]:
        """The event types that reach it through the broker."""

    @property
    def ordered_by(self) -> object | None: ...


class ReplayRequest(BaseModel):
    """A replay: from the log's first message, or its first since a time, or at an offset, to its end as it is now."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    """Of your making; asked again under the same id, it is begun once."""
    to: Name | None = None
    """Which subscription; may be left out where there is one."""
    since: AwareDatetime | None = None
    offset: Offset | None = None
    events: Annotated[str, Field(min_length=1, max_length=100)] = "*"
    """A shell pattern of types, such as `order-*`, of those that the subscription hears."""
    rate: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Events per second at most; without it, the service's own setting."""


class Replay(BaseModel):
    """A replay, running or ended. `begun`, `next` and `through` are offsets: what is before `next` is settled."""

    subscription: str
    id: UUID
    state: str
    """running, done, stopped or failed."""
    why: str
    asked_by: str
    asked_at: datetime
    ended_at: datetime | None
    types: list[str]
    holds: bool
    """Whether live events wait until it has ended."""
    begun: int | None
    next: int | None
    through: int | None
    handed: int
    """Events handed to the subscription."""
    known: int
    """Events that it had handled before."""
    refused: int
    """Messages that are no events for it: not said by their type's owner, or not readable."""
    too_old: int
    """Events left out, since nobody can tell any more whether they were handled."""


class Replays(BaseModel):
    """The latest replay of each subscription that ever had one."""

    items: list[Replay]


def feeding(subscriptions: Sequence[Heard]) -> Router:
    """Everything about replays from the log, below `/ops/history`."""
    router = Router(prefix="/ops/history", tags=["history"])
    heard = {each.name: each for each in subscriptions if each.types}

    @router.get("")
    async def replays(_: Operator, tx: Tx) -> Replays:
        return Replays(items=[_shown(each) for each in await table.find(tx, list(heard))])

    @router.post("")
    async def begin(wish: ReplayRequest, operator: Operator, tx: Tx) -> Replay:
        """Begin a replay. What the subscription has handled before, it does not hear again."""
        one = _chosen(heard, wish.to)
        types = [type for type in one.types if matches(wish.events, type)]
        if not types:
            raise Unprocessable(f"{one.name} hears nothing like {wish.events!r}. It hears: {', '.join(one.types)}")
        wanted = table.ReplayRequest(
            id=wish.id,
            subscription=one.name,
            types=types,
            asked_by=operator.subject,
            rate=wish.rate,
            holds=one.ordered_by is not None,
            since=_since(wish),
            offset=wish.offset,
        )
        replay = await table.ask(tx, wanted)
        if replay is None:
            raise Conflict(f"A replay to {one.name} is running: wait for its end, or stop it first.")
        log.info("replay asked for", subscription=one.name, types=types, by=operator.subject)
        return _shown(replay)

    @router.delete("/{subscription}")
    async def stop(subscription: Annotated[Name, Path()], _: Operator, tx: Tx) -> Replay:
        """End a replay where it is. Live events that waited for it are handled from now on."""
        await table.stop(tx, subscription)
        found = await table.find(tx, [subscription] if subscription in heard else [])
        if not found:
            raise NotFound("There was no replay to this subscription.")
        return _shown(found[0])

    return router


def _chosen(heard: dict[str, Heard], name: str | None) -> Heard:
    if name is None and len(heard) == 1:
        return next(iter(heard.values()))
    if name not in heard:
        there = ", ".join(heard) or "none"
        raise Unprocessable(f"Name a subscription: {there}." if name is None else f"No {name!r} here, but: {there}.")
    return heard[name]


def _since(wish: ReplayRequest) -> datetime | None:
    now = datetime.now(UTC)
    if wish.since is None:
        return None
    if wish.offset is not None:
        raise Unprocessable("Give either since or offset.")
    if wish.since < now - HORIZON:
        raise Unprocessable(
            f"It is known for {HORIZON.days} days what was handled, so history goes back no further: ask for later"
            " events, or for all there are."
        )
    return min(wish.since, now)


def _shown(replay: table.Replay) -> Replay:
    return Replay(**{name: getattr(replay, name) for name in Replay.model_fields})
