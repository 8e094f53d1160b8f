"""What a fault is: a small value, and a kind that knows how to begin it, end it, and see whether it bites."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from infra.lab.chaos.site import Site


@dataclass(frozen=True)
class Fault:
    """One fault at one place."""

    kind: str
    part: str
    options: Mapping[str, float] = field(default_factory=dict)
    id: str = field(default_factory=lambda: uuid4().hex[:6])


@dataclass(frozen=True)
class Touches:
    """What a fault needs for itself, and what it needs to be there. Faults that get into each other's way are not
    scheduled together: nobody could tell which of them bites."""

    alone: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()
    settle_s: float = 8.0
    """How long after its end what it touched is not to be touched again."""

    def exclude(self, other: "Touches") -> bool:
        """Whether the two may not be in effect together."""
        return bool(self.alone & (other.alone | other.shared) or other.alone & self.shared)


class Kind(ABC):
    """A kind of fault. `begin` and `end` may raise; `end` may be called twice, and by another process."""

    name: str
    about: str
    lasts: bool = True
    """Whether it stays in effect when the process that began it is gone."""
    momentary: bool = False
    """Whether it is over as soon as it has begun."""
    seconds: tuple[float, float] = (3.0, 7.0)
    """How long a random schedule has it last."""
    least_run_s: float = 0.0
    """A random schedule that is shorter has no place for it."""

    @property
    def defaults(self) -> Mapping[str, float]:
        """What can be chosen, and what it is if nobody chooses."""
        return {}

    @abstractmethod
    def parts(self, services: Sequence[str]) -> list[str]:
        """Where it can be."""

    def server(self, part: str) -> str:
        """The part that the stack must run itself for this: one whose address was given is not ours to break."""
        return ""

    def likely(self, services: Sequence[str]) -> list[str]:
        """Where a random schedule puts it: where something goes on that it can bite.

        Nowhere, if it cannot be had on this machine.
        """
        return self.parts(services)

    @abstractmethod
    def touches(self, part: str) -> Touches:
        """What it gets into the way of."""

    @abstractmethod
    async def begin(self, site: Site, fault: Fault) -> None:
        """From its return on the fault is in effect."""

    async def bite(self, site: Site, fault: Fault) -> str:
        """What shows that it took hold, for people to read; empty if nothing does. Asked just before its end.

        Where a kind does not look again, that is what it noted so far.
        """
        return str(site.notes.get(fault.id, ""))

    @abstractmethod
    async def end(self, site: Site, fault: Fault) -> None:
        """Undo it. Nothing happens if it is not in effect."""

    def option(self, fault: Fault, name: str) -> float:
        """What was chosen, or the default."""
        return fault.options.get(name, self.defaults[name])
