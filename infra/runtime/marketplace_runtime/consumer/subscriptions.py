"""Declares the subscriptions of a service: which events each consumes, and how it handles them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from marketplace_runtime.amqp import UnknownVersion
from marketplace_runtime.database import Transaction, with_declaration
from marketplace_runtime.events import Event, without_version

E = TypeVar("E", bound=Event)

Handler = Callable[[Any, Transaction], Awaitable[None]]
Load = Callable[[Sequence[Any], Transaction], Awaitable[None]]
Prepare = Callable[[Any, Transaction], Awaitable[Any]]
Call = Callable[[Any, Any], Awaitable[Any]]
Record = Callable[[Any, Any, Transaction], Awaitable[None]]
OrderedBy = str | Callable[[Any], object]
"""The ordering key: the name of a field that all events of the subscription have, or a function of the event."""

DEFAULT_ATTEMPTS = 12
"""Default. The pauses between the attempts add up to about 45 s, and to 91 s at most."""


@dataclass(frozen=True, slots=True)
class CallSteps:
    """Holds the three steps of an external call, so that no transaction is open while the call runs."""

    prepare: Prepare
    call: Call
    record: Record


@dataclass(frozen=True, slots=True)
class Reaction:
    """Defines how a subscription processes one type of event: by the handler `handle`, or by an external `call`."""

    event: type[Event]
    handle: Handler | None
    call: CallSteps | None
    load: Load | None
    attempts: int | None
    """Failed runs after which the event is dead-lettered. None: never; it is retried until it succeeds."""
    read: Callable[[bytes], Event]
    """Parses a body into the event that the handler takes. Raises ValidationError or `UnknownVersion`."""
    older: tuple["Reaction", ...] = ()
    """Reactions to older versions of the event, which `or_older` added."""
    deadline: bool = False
    """Whether the event is handled only after everything that reached the service before it was due."""

    @property
    def use_cases(self) -> list[Callable[..., Awaitable[Any]]]:
        """Return what runs in a transaction: the handler, or the steps `prepare` and `record` of the call."""
        steps = (self.call.prepare, self.call.record) if self.call else (self.handle,)
        return [step for step in steps if step is not None]

    def or_older(self, event: type[E], upcast: Callable[[E], Event]) -> "Reaction":
        """Return a reaction that handles an older version, too. `upcast` converts it to the version of the handler.

        An event that is published in both versions is handled once.
        """

        def read(body: bytes) -> Event:
            return upcast(event.model_validate_json(body))

        return replace(self, older=(*self.older, replace(self, event=event, read=read, older=())))

    def as_received(self, event: Event) -> Event:
        """Return what the handler receives if `event` is published: serialised, parsed, in the handler's version."""
        return self.read(event.model_dump_json(exclude_none=True).encode())

    @classmethod
    def for_unknown_version(cls, type: str, known: Sequence["Reaction"]) -> "Reaction":
        """Return the reaction to a version that is not among `known`. It cannot be parsed, so it is retried."""
        versions = ", ".join(sorted(each.event.type for each in known))
        name, _, version = type.rpartition(".")

        def refuse(_: bytes) -> Event:
            raise UnknownVersion(f"{name} {version} is not understood here, only {versions}")

        async def handle(_: Any, __: Transaction) -> None:
            raise AssertionError("an event in an unknown version reached its handler")

        return cls(known[-1].event, handle, None, None, DEFAULT_ATTEMPTS, refuse)


@dataclass(frozen=True, slots=True)
class Subscription:
    """Names one queue, and defines how each type of event in it is processed."""

    name: str
    reactions: Mapping[str, Reaction]
    """By event type."""
    concurrency: int
    """Maximum number of concurrent external calls per replica."""
    batch: int
    """Maximum number of events in one transaction."""
    ordered_by: OrderedBy | None = None
    """The ordering key: events with the same key are handled one after the other, also if one of them fails."""
    history: Literal["first"] | None = None
    """`first`: events published before the subscription existed are replayed to it once, before live events."""

    @property
    def types(self) -> list[str]:
        """Return the event types that reach it through the broker. Internal events never do."""
        return sorted(type for type, reaction in self.reactions.items() if not reaction.event.internal)

    @property
    def types_without_call(self) -> list[str]:
        """Return the event types that are handled without an external call."""
        return [type for type, reaction in self.reactions.items() if reaction.call is None]

    @property
    def prefetch(self) -> int:
        return 2 * self.batch

    def versions(self, name: str) -> list[Reaction]:
        """Return the reactions to the known versions of the event `name`, the newest last."""
        known = [each for type, each in self.reactions.items() if without_version(type) == name]
        return sorted(known, key=lambda each: each.event.version)


def on(
    event: type[E],
    handle: Callable[[E, Transaction], Awaitable[None]] | None = None,
    *,
    load: Callable[[Sequence[E], Transaction], Awaitable[None]] | None = None,
    prepare: Callable[[E, Transaction], Awaitable[Any]] | None = None,
    call: Call | None = None,
    record: Callable[[E, Any, Transaction], Awaitable[None]] | None = None,
    attempts: int | None = DEFAULT_ATTEMPTS,
    deadline: bool = False,
) -> Reaction:
    """Return the reaction to `event`: a handler, or an external call in three steps.

    A handler may publish only the events that it declares with `@publishes`; without a declaration, none.

    - `load(events, tx)` reads in one go what the handlers of a whole batch will need.
    - `prepare(event, tx)` stores what will be requested, and returns the request, or None if no call is needed.
    - `call(request, clients)` makes the call, without a transaction. `record(event, answer, tx)` stores the answer.
    - After `attempts` failed runs the event is dead-lettered. With None it is retried until it succeeds, at intervals
      that grow to an hour.
    - A `deadline` is an event that the service scheduled for itself. What reached the service's queues before the
      deadline was due is handled first, also after an outage of the service itself.

    Raises TypeError if the arguments do not fit together.
    """
    if deadline and not event.internal:
        raise TypeError(f"on({event.__name__}): a deadline must be an internal event, scheduled by the service itself")
    if handle is not None:
        if prepare or call or record:
            raise TypeError(f"on({event.__name__}): give either a handler or prepare, call and record")
        handle = with_declaration(handle)  # without `@publishes` it may publish nothing
        return Reaction(event, handle, None, load, attempts, event.model_validate_json, deadline=deadline)
    if prepare is None or call is None or record is None:
        raise TypeError(f"on({event.__name__}): an external call needs prepare, call and record")
    steps = CallSteps(with_declaration(prepare), call, with_declaration(record))
    return Reaction(event, None, steps, load, attempts, event.model_validate_json, deadline=deadline)


def subscription(
    name: str,
    *reactions: Reaction,
    concurrency: int = 16,
    batch: int = 100,
    ordered_by: OrderedBy | None = None,
    history: Literal["first"] | None = None,
) -> Subscription:
    """Declare the subscription with the queue `<service>.<name>`.

    A renamed subscription is a new one: its queue and its inbox are empty.

    With `ordered_by`, a field's name or a function of the event, events with the same key are handled in the order of
    the queue, also across retries and replicas. While one of them waits or is dead, the later ones are parked. One
    replica at a time consumes such a queue: it is declared with a single active consumer. RabbitMQ cannot change that
    for an existing queue, so a subscription that is to become ordered needs a new name.

    With `history="first"` the log stream is replayed from its first event when the subscription starts for the first
    time. Events published meanwhile wait in its queue, and are handled after the replay.

    Raises TypeError if the arguments do not fit together.
    """
    if history not in (None, "first"):
        raise TypeError(f"subscription {name!r}: history is 'first' or nothing, not {history!r}")
    by_type: dict[str, Reaction] = {}
    for reaction in reactions:
        if ordered_by is not None and reaction.call is not None:
            raise TypeError(f"subscription {name!r} is ordered: make the external call in a subscription of its own")
        if isinstance(ordered_by, str) and ordered_by not in reaction.event.model_fields:
            raise TypeError(f"subscription {name!r} is ordered by {ordered_by!r}, which {reaction.event.type} lacks")
        for each in (reaction, *reaction.older):
            if each.event.type in by_type:
                raise TypeError(f"subscription {name!r} has two reactions to {each.event.type}: remove one")
            by_type[each.event.type] = each
    made = Subscription(name, by_type, concurrency, batch, ordered_by, history)
    if history and not made.types:
        raise TypeError(f"subscription {name!r} consumes only internal events, which have no history: omit history")
    return made
