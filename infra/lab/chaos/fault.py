"""Defines faults, which are small values, and their kinds, which begin a fault, end it, and observe its effect."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from infra.lab.chaos.site import Site


@dataclass(frozen=True)
class Fault:
    """A fault of one kind at one part."""

    kind: str
    part: str
    options: Mapping[str, float] = field(default_factory=dict)
    id: str = field(default_factory=lambda: uuid4().hex[:6])


@dataclass(frozen=True)
class ResourceNeeds:
    """The resources on which a fault acts (`exclusive`), and those that must work for it to take effect (`shared`).

    Faults that conflict are not scheduled together, because nobody could determine which of them took effect.
    """

    exclusive: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()
    settle_s: float = 8.0
    """Seconds after the fault's end in which no conflicting fault may begin."""

    def conflicts_with(self, other: "ResourceNeeds") -> bool:
        """Return whether two such faults conflict, so that they may not be in effect together."""
        return bool(self.exclusive & (other.exclusive | other.shared) or other.exclusive & self.shared)


class Kind(ABC):
    """A kind of fault. `begin` and `end` may raise; `end` may be called twice, and by another process."""

    name: str
    about: str
    outlives_process: bool = True
    """Whether the fault stays in effect after the process that began it has exited."""
    is_momentary: bool = False
    """Whether the fault is over as soon as it has begun."""
    duration_range_s: tuple[float, float] = (3.0, 7.0)
    """Shortest and longest duration in a random schedule, in seconds."""
    min_run_s: float = 0.0
    """Minimum duration of a random schedule that may have this kind, in seconds."""

    @property
    def defaults(self) -> Mapping[str, float]:
        """The options of this kind, with their default values."""
        return {}

    @abstractmethod
    def parts(self, services: Sequence[str]) -> list[str]:
        """Return the parts at which such a fault is possible."""

    def server(self, part: str) -> str:
        """Return the server that the stack must run itself for this fault, or "".

        No fault is injected into a server that the stack does not run, because its address was given.
        """
        return ""

    def random_parts(self, services: Sequence[str]) -> list[str]:
        """Return the parts at which a random schedule may put it: those with traffic, where it can take effect.

        Returns none if this machine cannot run such a fault.
        """
        return self.parts(services)

    @abstractmethod
    def needed_resources(self, part: str) -> ResourceNeeds:
        """Return the resources that a fault at this part needs, exclusive or shared."""

    @abstractmethod
    async def begin(self, site: Site, fault: Fault) -> None:
        """Put the fault into effect. It is in effect when this returns."""

    async def observe_effect(self, site: Site, fault: Fault) -> str:
        """Return evidence that the fault took effect, for people. Empty if there is none. Called just before `end`.

        The default is what the kind has noted so far in `site.notes`.
        """
        return str(site.notes.get(fault.id, ""))

    @abstractmethod
    async def end(self, site: Site, fault: Fault) -> None:
        """Undo the fault. Does nothing if it is not in effect."""

    def option(self, fault: Fault, name: str) -> float:
        """Return the value of the fault's option, or its default."""
        return fault.options.get(name, self.defaults[name])
