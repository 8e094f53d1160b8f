"""The wiring table: which subscription of a service hears which events, and what it does then."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from marketplace_runtime.amqp import UnknownVersion
from marketplace_runtime.database import Transaction, with_declaration
from marketplace_runtime.events import Event, name_of

E = TypeVar("E", bound=Event)

Handler = Callable[[Any, Transaction], Awaitable[None]]
Load = Callable[[Sequence[Any], Transaction], Awaitable[None]]
Prepare = Callable[[Any, Transaction], Awaitable[Any]]
Ask = Callable[[Any, Any], Awaitable[Any]]
Record = Callable[[Any, Any, Transaction], Awaitable[None]]
OrderedBy = str | Callable[[Any], object]
"""The name of a field that all its events have, or a function of the event."""

DEFAULT_ATTEMPTS = 12
"""With pauses of up to 0.25 s doubling to 15 s: given up after about a minute, two at the most."""


@dataclass(frozen=True, slots=True)
class CallSteps:
    """A call to the outside world in three steps, so that no transaction is open while it runs."""

    prepare: Prepare
    ask: Ask
    record: Record


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a subscription does about one type of event: `handle` it, or make a `call`."""

    event: type[Event]
    handle: Handler | None
    call: CallSteps | None
    load: Load | None
    attempts: int | None
    """After so many failed runs the event is dead-lettered; None: never, since it is owed."""
    read: Callable[[bytes], Event]
    """The body as the handler takes it. Raises ValidationError, or `UnknownVersion`."""
    older: tuple["Reaction", ...] = ()
    deadline: bool = False
    """Whether it waits for all that reached the service before it was due."""

    @property
    def use_cases(self) -> list[Callable[..., Awaitable[Any]]]:
        """What runs in a transaction: the handler, or the first and the last step of the call."""
        steps = (self.call.prepare, self.call.record) if self.call else (self.handle,)
        return [step for step in steps if step is not None]

    def or_older(self, event: type[E], upcast: Callable[[E], Event]) -> "Reaction":
        """Do the same about an older version: the handler gets it as `upcast` makes it, once if both come."""

        def read(body: bytes) -> Event:
            return upcast(event.model_validate_json(body))

        return replace(self, older=(*self.older, replace(self, event=event, read=read, older=())))

    def as_heard(self, event: Event) -> Event:
        """What the handler gets where `event` was said: as it comes over the wire, in the version of the handler."""
        return self.read(event.model_dump_json(exclude_none=True).encode())

    @classmethod
    def unknown(cls, type: str, known: Sequence["Reaction"]) -> "Reaction":
        """What is done about a version that is not among `known`: it can't be read, so it is tried again."""
        versions = ", ".join(sorted(each.event.type for each in known))
        name, _, version = type.rpartition(".")

        def refuse(_: bytes) -> Event:
            raise UnknownVersion(f"{name} {version} is not understood here, only {versions}")

        async def handle(_: Any, __: Transaction) -> None:
            raise AssertionError("what can't be read is not handled")

        return cls(known[-1].event, handle, None, None, DEFAULT_ATTEMPTS, refuse)


@dataclass(frozen=True, slots=True)
class Subscription:
    """One named queue and what is done with each type of event in it."""

    name: str
    reactions: Mapping[str, Reaction]
    """By event type."""
    concurrency: int
    """Outside calls under way at once, per replica."""
    batch: int
    """Most events in one transaction."""
    ordered_by: OrderedBy | None = None
    """The key whose events are handled one after the other, whatever happens to them."""
    history: Literal["first"] | None = None
    """Whether it is filled with what was said before it was there, once, before it goes live."""

    @property
    def types(self) -> list[str]:
        """The event types that reach it through the broker; internal ones never do."""
        return sorted(type for type, reaction in self.reactions.items() if not reaction.event.internal)

    @property
    def types_without_call(self) -> list[str]:
        """The event types that are handled without an external call."""
        return [type for type, reaction in self.reactions.items() if reaction.call is None]

    @property
    def prefetch(self) -> int:
        return 2 * self.batch

    def versions(self, name: str) -> list[Reaction]:
        """What it does about the versions that it knows of an event, the newest last."""
        known = [each for type, each in self.reactions.items() if name_of(type) == name]
        return sorted(known, key=lambda each: each.event.version)


def on(
    event: type[E],
    handle: Callable[[E, Transaction], Awaitable[None]] | None = None,
    *,
    load: Callable[[Sequence[E], Transaction], Awaitable[None]] | None = None,
    prepare: Callable[[E, Transaction], Awaitable[Any]] | None = None,
    ask: Ask | None = None,
    record: Callable[[E, Any, Transaction], Awaitable[None]] | None = None,
    attempts: int | None = DEFAULT_ATTEMPTS,
    deadline: bool = False,
) -> Reaction:
    """React to `event` with a handler, or with an outside call of three steps.

    A handler publishes only what it declares with `@publishes`; one that declares nothing publishes nothing.

    `load(events, tx)` reads, in one go, what the handlers of a whole batch will need.
    `prepare(event, tx)` writes down what will be asked and returns the request, or None for no call;
    `ask(request, outside)` makes the call without a transaction; `record(event, answer, tx)` stores it.
    After `attempts` failed runs the event is dead-lettered. With None it is owed: it is retried for ever, at intervals
    that grow to an hour.
    A `deadline` is an event that the service scheduled for itself: what reached the service's queues before it was due
    is handled first, also after an outage of the service itself.
    """
    if deadline and not event.internal:
        raise TypeError(f"on({event.__name__}): only what a service schedules for itself is a deadline")
    if handle is not None:
        if prepare or ask or record:
            raise TypeError(f"on({event.__name__}): either a handler or prepare, ask and record")
        handle = with_declaration(handle)
        return Reaction(event, handle, None, load, attempts, event.model_validate_json, deadline=deadline)
    if prepare is None or ask is None or record is None:
        raise TypeError(f"on({event.__name__}): an outside call needs prepare, ask and record")
    call = CallSteps(with_declaration(prepare), ask, with_declaration(record))
    return Reaction(event, None, call, load, attempts, event.model_validate_json, deadline=deadline)


def subscription(
    name: str,
    *reactions: Reaction,
    concurrency: int = 16,
    batch: int = 100,
    ordered_by: OrderedBy | None = None,
    history: Literal["first"] | None = None,
) -> Subscription:
    """The queue `<service>.<name>`. The name is its identity: renaming it makes a new subscription.

    With `ordered_by`, a field's name or a function of the event, events of one key are handled in the order of the
    queue, also across retries and replicas: while one waits or is dead, the later ones of its key are parked.
    One replica at a time consumes such a queue. It needs a queue declared for it, so a new name.

    With `history="first"` it is filled from the log's first event when it starts for the first time; what is said
    meanwhile waits in its queue, and is handled after that.
    """
    if history not in (None, "first"):
        raise TypeError(f"subscription {name!r}: history is 'first' or nothing, not {history!r}")
    by_type: dict[str, Reaction] = {}
    for reaction in reactions:
        if ordered_by is not None and reaction.call is not None:
            raise TypeError(f"subscription {name!r} is ordered: make the outside call in a subscription of its own")
        if isinstance(ordered_by, str) and ordered_by not in reaction.event.model_fields:
            raise TypeError(f"subscription {name!r} is ordered by {ordered_by!r}, which {reaction.event.type} lacks")
        for each in (reaction, *reaction.older):
            if each.event.type in by_type:
                raise TypeError(f"subscription {name!r} hears {each.event.type} twice")
            by_type[each.event.type] = each
    made = Subscription(name, by_type, concurrency, batch, ordered_by, history)
    if history and not made.types:
        raise TypeError(f"subscription {name!r} hears only its own deadlines: they have no history")
    return made
