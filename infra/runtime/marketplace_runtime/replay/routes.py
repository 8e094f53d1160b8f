"""HTTP API for operators: replay the log to a subscription, check the progress, or stop the replay."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Protocol
from uuid import UUID

from fastapi import Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from marketplace_runtime.database import MAX_EVENT_AGE
from marketplace_runtime.events import matches
from marketplace_runtime.http import Conflict, Matching, NotFound, Operator, Router, Tx, Unprocessable
from marketplace_runtime.replay import table
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

Name = Annotated[str, Matching(r"^[a-z][a-z0-9-]{0,62}$", "Lower-case letters, digits and hyphens, after a letter.")]
Offset = Annotated[int, Field(ge=0, le=2**63 - 1)]


class SubscriptionInfo(Protocol):
    """A subscription, as defined in the service table (`service.py`)."""

    @property
    def name(self) -> str: ...
    @property
    def types(self) -> list[str]:
        """Return the event types that it receives through the broker."""

    @property
    def ordered_by(self) -> object | None: ...


class ReplayRequest(BaseModel):
    """A request for a replay. It begins with the log's first message, the first since a time, or the one at an offset.

    It ends where the log ends when the replay begins.
    """

    model_config = ConfigDict(extra="forbid")

    id: UUID
    """Chosen by the client. A repeated request with the same id begins no second replay."""
    to: Name | None = None
    """Name of the subscription. May be omitted if there is only one."""
    since: AwareDatetime | None = None
    offset: Offset | None = None
    events: Annotated[str, Field(min_length=1, max_length=100)] = "*"
    """Shell pattern of event types, such as `order-*`. Only types that the subscription receives are replayed."""
    rate: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Maximum number of events per second. Default: the service's own setting."""


class Replay(BaseModel):
    """A replay, running or ended.

    `begun`, `next` and `through` are offsets: the first that was read, the first not yet acknowledged, and the last.
    """

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
    """Number of events handed to the subscription."""
    known: int
    """Number of events that it had handled before."""
    refused: int
    """Number of messages that are not valid events: not published by the owner of their type, or not readable."""
    too_old: int
    """Number of events left out because they are too old to check whether they were handled."""


class Replays(BaseModel):
    """The latest replay of each subscription that ever had one."""

    items: list[Replay]


def replay_routes(subscriptions: Sequence[SubscriptionInfo]) -> Router:
    """Return the routes for replays of the log, below `/ops/history`."""
    router = Router(prefix="/ops/history", tags=["history"])
    by_name = {each.name: each for each in subscriptions if each.types}

    @router.get("")
    async def replays(_: Operator, tx: Tx) -> Replays:
        """List the latest replay of each subscription."""
        return Replays(items=[_as_answer(each) for each in await table.find(tx, list(by_name))])

    @router.post("")
    async def begin(request: ReplayRequest, operator: Operator, tx: Tx) -> Replay:
        """Begin a replay. The subscription does not handle again what it has handled before."""
        subscription = _select_subscription(by_name, request.to)
        types = [type for type in subscription.types if matches(request.events, type)]
        if not types:
            raise Unprocessable(
                f"{subscription.name} has no type like {request.events!r}; it has: {', '.join(subscription.types)}"
            )
        wanted = table.ReplayRequest(
            id=request.id,
            subscription=subscription.name,
            types=types,
            asked_by=operator.subject,
            rate=request.rate,
            holds=subscription.ordered_by is not None,
            since=_since(request),
            offset=request.offset,
        )
        replay = await table.begin(tx, wanted)
        if replay is None:
            raise Conflict(f"A replay to {subscription.name} is running: wait for its end, or stop it first.")
        log.info("replay requested", subscription=subscription.name, types=types, by=operator.subject)
        return _as_answer(replay)

    @router.delete("/{subscription}")
    async def stop(subscription: Annotated[Name, Path()], _: Operator, tx: Tx) -> Replay:
        """Stop a replay. Live events that waited for it are handled from now on."""
        await table.stop(tx, subscription)
        found = await table.find(tx, [subscription] if subscription in by_name else [])
        if not found:
            raise NotFound("There was no replay to this subscription.")
        return _as_answer(found[0])

    return router


def _select_subscription(by_name: dict[str, SubscriptionInfo], name: str | None) -> SubscriptionInfo:
    if name is None and len(by_name) == 1:
        return next(iter(by_name.values()))
    if name not in by_name:
        names = ", ".join(by_name) or "none"
        raise Unprocessable(
            f"Name a subscription: {names}."
            if name is None
            else f"There is no subscription {name!r}. Name one of: {names}."
        )
    return by_name[name]


def _since(request: ReplayRequest) -> datetime | None:
    now = datetime.now(UTC)
    if request.since is None:
        return None
    if request.offset is not None:
        raise Unprocessable("Give either since or offset.")
    if request.since < now - MAX_EVENT_AGE:
        raise Unprocessable(
            f"The inbox keeps the ids of handled events for {MAX_EVENT_AGE.days} days, "
            f"so `since` cannot be earlier: choose a"
            " later time, or replay the whole log."
        )
    return min(request.since, now)


def _as_answer(replay: table.Replay) -> Replay:
    return Replay(**{name: getattr(replay, name) for name in Replay.model_fields})
