"""Declares which events a use case publishes, and checks the declaration whenever it publishes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial, wraps
from inspect import Parameter, signature
from typing import Any, ParamSpec, Protocol, TypeVar

from marketplace_runtime.events import Event

P = ParamSpec("P")
R = TypeVar("R")


class UndeclaredEvent(Exception):
    """A use case publishes an event that is not in its `@publishes`. Add it there."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """Lists the only events that a use case may publish."""

    use_case: str
    events: frozenset[type[Event]]
    caller: "Declaration | None" = None
    """Declaration of the calling use case, which must declare the same events, too."""

    def check(self, *events: Event) -> None:
        """Raise `UndeclaredEvent` unless this use case and its callers declare all of `events`."""
        if self.caller is not None:
            self.caller.check(*events)
        for event in events:
            if type(event) not in self.events:
                what = f"{self.use_case} publishes {type(event).__name__}"
                raise UndeclaredEvent(f"{what}, which it does not declare: add it to @publishes")


class HasDeclaration(Protocol):
    """A transaction that holds the declaration of the use case running in it."""

    declaration: Declaration | None


def publishes(*events: type[Event]) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
    """Declare the only events that a use case publishes, itself or through other use cases.

    Publishing another event raises `UndeclaredEvent`, so the transaction is rolled back. The use case takes the
    transaction as its parameter `tx`, or else as its last parameter. Raises TypeError if it has no parameter `tx`, and
    the last one is missing, keyword-only or has a default.
    """

    def declare(use_case: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        declaration = Declaration(getattr(use_case, "__name__", repr(use_case)), frozenset(events))
        position = _position_of_transaction(use_case)

        @wraps(use_case)
        async def declared(*args: P.args, **kwargs: P.kwargs) -> R:
            tx: HasDeclaration = kwargs["tx"] if "tx" in kwargs else args[position]  # type: ignore[assignment]  # positional without `tx`
            caller = tx.declaration
            tx.declaration = replace(declaration, caller=caller) if caller else declaration
            try:
                return await use_case(*args, **kwargs)
            finally:
                tx.declaration = caller

        declared.declaration = declaration  # type: ignore[attr-defined]  # read by `declaration_of`
        return declared

    return declare


def declaration_of(use_case: Callable[..., Any]) -> Declaration | None:
    """Return the declaration of a use case; None if it has none."""
    while isinstance(use_case, partial):
        use_case = use_case.func
    found: Declaration | None = getattr(use_case, "declaration", None)
    return found or getattr(type(use_case).__call__, "declaration", None)


def with_declaration(use_case: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Return `use_case`. If it has no declaration, return it wrapped so that it may publish nothing."""
    return use_case if declaration_of(use_case) else publishes()(use_case)


def _position_of_transaction(use_case: Callable[..., Any]) -> int:
    parameters = list(signature(use_case).parameters.values())
    for position, each in enumerate(parameters):
        if each.name == "tx":
            return position
    by_name = (Parameter.KEYWORD_ONLY, Parameter.VAR_KEYWORD)
    if not parameters or parameters[-1].kind in by_name or parameters[-1].default is not Parameter.empty:
        raise TypeError(f"{use_case!r} needs a transaction: name a parameter `tx`, or make it the last one")
    return -1
