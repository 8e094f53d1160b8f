"""Defines a service as a value: one table of what it subscribes to, publishes and serves."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marketplace_runtime.consumer import Subscription
from marketplace_runtime.database import Transaction, declaration_of
from marketplace_runtime.events import Event, Naming
from marketplace_runtime.http import Router
from marketplace_runtime.service.exposure import Exposed, check_exposed
from marketplace_runtime.service.sweeping import Sweep
from marketplace_runtime.topology import Wiring


@dataclass(frozen=True, slots=True)
class Service:
    """Holds everything that the runtime needs to run a service. Raises TypeError if fields contradict each other."""

    name: str
    naming: Naming
    """The names that all services of the application share."""
    subscriptions: Sequence[Subscription]
    """What the service subscribes to."""
    publishes: Sequence[type[Event]]
    """The public events that the service publishes."""
    migrations: Path
    """Alembic's directory: its `versions` create the service's own tables."""
    routes: Router | None = None
    exposed: Sequence[Sequence[Exposed]] = ()
    """Those of the `routes` that a gateway exposes to clients: `anyone("GET /products")`, `caller("GET /orders")`."""
    clients: Callable[[], AbstractAsyncContextManager[Any]] | None = None
    """Opens what `call` functions use for external calls; entered once, at start."""
    sweeps: Sequence[Sweep] = ()
    """Run periodically to find stuck work, which waits for a lost deadline or for an external party."""
    rebuild: Callable[[Transaction], Awaitable[int]] | None = None
    """Rebuilds a read model from its journal, on an operator's request. Returns the number of its aggregates."""

    def __post_init__(self) -> None:
        check_exposed(self.name, self.exposed_routes, self.routes)
        for event in self.publishes:
            if event.internal or event.publisher != self.name:
                raise TypeError(
                    f"{self.name} cannot list {event.type} in `publishes`: it is internal or another service's event"
                )
        for declaration in filter(None, map(declaration_of, self.use_cases)):
            for event in declaration.events - set(self.publishes):
                raise TypeError(
                    f"{self.name}: {declaration.use_case} publishes {event.type}, not in its `publishes`: add it"
                )
        names = [each.name for each in self.subscriptions]
        if len(set(names)) < len(names) or self.naming.dead_letters in names:
            raise TypeError(
                f"{self.name}: subscriptions need distinct names, other than {self.naming.dead_letters!r}: {names}"
            )
        for each in self.subscriptions:
            for reaction in each.reactions.values():
                if reaction.event.internal and reaction.event.publisher != self.name:
                    raise TypeError(
                        f"{self.name} cannot subscribe to {reaction.event.type}, which is internal to another service"
                    )
                # If several subscriptions handle the event, `internal_subscriptions` names only the last of them.
                if reaction.event.internal and self.internal_subscriptions[reaction.event.type] != each.name:
                    raise TypeError(f"{self.name} handles {reaction.event.type} in two subscriptions: keep one")

    @property
    def exposed_routes(self) -> list[Exposed]:
        """Return the routes that a gateway exposes."""
        return [route for group in self.exposed for route in group]

    @property
    def use_cases(self) -> list[Callable[..., Awaitable[Any]]]:
        """Return the handlers, steps of external calls and sweeps. A use case declares its events with `@publishes`."""
        reactions = [each for subscription in self.subscriptions for each in subscription.reactions.values()]
        return [*(step for each in reactions for step in each.use_cases), *self.sweeps]

    @property
    def internal_subscriptions(self) -> Mapping[str, str]:
        """Return the subscription to each of the service's own internal events, by event type."""
        return {
            type: each.name
            for each in self.subscriptions
            for type, reaction in each.reactions.items()
            if reaction.event.internal
        }

    def wiring(self) -> Wiring:
        """Return what the broker needs to know. A subscription to internal events alone needs no queue."""
        queues = [each for each in self.subscriptions if each.types]
        ordered = [each.name for each in queues if each.ordered_by is not None]
        return Wiring(self.name, {each.name: each.types for each in queues}, ordered)
