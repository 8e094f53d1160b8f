"""A service as a value: one table that says what it hears, says and serves."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marketplace_runtime.consumer import Subscription
from marketplace_runtime.database import Declaration, Transaction, declaration_of
from marketplace_runtime.events import Event, Naming
from marketplace_runtime.http import Router
from marketplace_runtime.service.sweeping import Sweep
from marketplace_runtime.topology import Wiring


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that the runtime needs to run a service. Raises TypeError for a table that can't work."""

    name: str
    naming: Naming
    """What its application calls things: the same value in each of its services."""
    hears: Sequence[Subscription]
    says: Sequence[type[Event]]
    migrations: Path
    """Alembic's directory: its `versions` bring the service's own tables about."""
    routes: Router | None = None
    outside: Callable[[], AbstractAsyncContextManager[Any]] | None = None
    """Opens what `ask` functions reach the outside world by; entered once, at start."""
    sweeps: Sequence[Sweep] = ()
    """Look every now and then for what waits in vain: for a deadline that got lost, or for somebody outside."""
    rebuild: Callable[[Transaction], Awaitable[int]] | None = None
    """Makes a read model anew from its journal; operators start it. Returns how many aggregates it has."""

    def __post_init__(self) -> None:
        for event in self.says:
            if event.internal or event.publisher != self.name:
                raise TypeError(f"{self.name} cannot say {event.type}")
        for declaration in self.declarations:
            for event in declaration.events - set(self.says):
                raise TypeError(f"{self.name}: {declaration.use_case} publishes {event.type}, not among its `says`")
        names = [each.name for each in self.hears]
        if len(set(names)) < len(names) or self.naming.dead_letters in names:
            raise TypeError(
                f"{self.name}: subscriptions need names of their own, other than {self.naming.dead_letters!r}: {names}"
            )
        for each in self.hears:
            for reaction in each.reactions.values():
                if reaction.event.internal and reaction.event.publisher != self.name:
                    raise TypeError(f"{self.name} cannot hear {reaction.event.type}, which never leaves its service")
                if reaction.event.internal and self.listeners[reaction.event.type] != each.name:
                    raise TypeError(f"{self.name} hears {reaction.event.type} in two subscriptions")

    @property
    def declarations(self) -> list[Declaration]:
        """What its handlers and sweeps declare that they publish."""
        reactions = [each for subscription in self.hears for each in subscription.reactions.values()]
        use_cases = [*(step for each in reactions for step in each.use_cases), *self.sweeps]
        return [declaration for each in use_cases if (declaration := declaration_of(each))]

    @property
    def listeners(self) -> Mapping[str, str]:
        """Which subscription hears the service's own internal events, by type."""
        return {
            type: each.name
            for each in self.hears
            for type, reaction in each.reactions.items()
            if reaction.event.internal
        }

    def wiring(self) -> Wiring:
        """What the broker has to know. A subscription that hears internal events alone needs no queue."""
        queues = [each for each in self.hears if each.types]
        ordered = [each.name for each in queues if each.ordered_by is not None]
        return Wiring(self.name, {each.name: each.types for each in queues}, ordered)
