"""Which events a use case publishes: declared above it, and checked whenever it publishes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from typing import Any, ParamSpec, Protocol, TypeVar

from marketplace_runtime.events import Event

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Declaration:
    """The only events that the use case of this name may publish."""

    use_case: str
    events: frozenset[type[Event]]

    def check(self, *events: Event) -> None:
        """Raise ValueError unless all of them are declared."""
        for event in events:
            if type(event) not in self.events:
                name = type(event).__name__
                raise ValueError(f"{self.use_case} does not declare that it publishes {name}: add it to @publishes")

    def within(self, outer: "Declaration | None") -> "Declaration":
        """What is left of it in a use case that calls this one, and so must declare the same."""
        return self if outer is None else Declaration(self.use_case, self.events & outer.events)


class Declared(Protocol):
    """A transaction, as far as declarations go."""

    declaration: Declaration | None


def publishes(*events: type[Event]) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
    """Declare the only events that a use case publishes, by itself or in what it calls.

    Any other raises ValueError, and so changes nothing. The use case takes its transaction as `tx`, or last.
    """

    def declare(use_case: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        declaration = Declaration(getattr(use_case, "__name__", repr(use_case)), frozenset(events))
        names = list(signature(use_case).parameters)
        position = names.index("tx") if "tx" in names else len(names) - 1

        @wraps(use_case)
        async def declared(*args: P.args, **kwargs: P.kwargs) -> R:
            tx: Declared = kwargs["tx"] if "tx" in kwargs else args[position]  # type: ignore[assignment]  # found by its place
            outer, tx.declaration = tx.declaration, declaration.within(tx.declaration)
            try:
                return await use_case(*args, **kwargs)
            finally:
                tx.declaration = outer

        declared.declaration = declaration  # type: ignore[attr-defined]  # read by `declaration_of`
        return declared

    return declare


def declaration_of(use_case: Callable[..., Any]) -> Declaration | None:
    """What a use case declares; None if it declares nothing."""
    return getattr(use_case, "declaration", None)


def with_declaration(use_case: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """The use case as it is if it declares what it publishes, else as one that publishes nothing."""
    return use_case if declaration_of(use_case) else publishes()(use_case)
