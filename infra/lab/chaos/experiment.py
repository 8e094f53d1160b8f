"""Loads named experiments from TOML files. A new file adds an experiment."""

import tomllib
from itertools import combinations
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from infra.lab.chaos.fault import Fault
from infra.lab.chaos.kinds import check_fault, find_replaced
from infra.lab.chaos.schedule import PlannedFault
from infra.lab.simulator import Profile
from infra.stack import LocalError

DIRECTORY = Path(__file__).with_name("experiments")
Seconds = Annotated[float, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Customers(_Strict):
    """The simulated traffic during an experiment."""

    rate: Annotated[float, Field(gt=0)] = 8
    duration_s: Annotated[float, Field(gt=0)] = 20
    profile: Profile = "buyers"


class FaultEntry(_Strict):
    """A fault with its start and end, in seconds from the beginning of the traffic."""

    kind: str
    part: str
    start_s: Seconds
    end_s: Seconds
    options: dict[str, float] = {}


class Expectation(_Strict):
    """The results that a run must have, besides passing the audit."""

    accepted_meanwhile: int = 0
    """Minimum number of accepted orders, from the start of the first fault to the end of the last."""
    confirmed_meanwhile: int = 0
    """Minimum number of confirmed orders, from the start of the first fault to the end of the last."""
    recovered_within_s: float | None = None
    """Maximum time from the end of the last fault to the next confirmed order. None: no limit."""


class Experiment(_Strict):
    """An experiment: traffic, faults, and what the marketplace is expected to do meanwhile."""

    about: str
    steady_state: Annotated[int, Field(ge=1)] = 5
    """Minimum number of orders confirmed before the first fault. With fewer, the run proves nothing."""
    customers: Customers = Customers()
    faults: Annotated[list[FaultEntry], Field(min_length=1)]
    expect: Expectation = Expectation()

    def schedule(self, services: list[str]) -> list[PlannedFault]:
        """Return the faults in order of their start.

        Raises `LocalError` if a fault is not possible, or if one would replace another while both are in effect.
        """
        planned = [
            PlannedFault(check_fault(Fault(each.kind, each.part, each.options), services), each.start_s, each.end_s)
            for each in self.faults
        ]
        for one, other in combinations(planned, 2):
            if one.overlaps(other) and find_replaced(other.fault, [one.fault]):
                raise LocalError(
                    f"{one.fault.kind} and {other.fault.kind} overlap at {one.fault.part}: one replaces the other.",
                    "Let the first end before the second begins, or put them at different parts.",
                )
        return sorted(planned, key=lambda each: each.start_s)


def names() -> list[str]:
    """Return the names of all experiments."""
    return sorted(path.stem for path in DIRECTORY.glob("*.toml"))


def load(name: str) -> Experiment:
    """Load the experiment of this name. Raises `LocalError` if there is none or its file is invalid."""
    if name not in names():
        raise LocalError(f"There is no experiment {name!r}.", f"There are: {', '.join(names())}")
    path = DIRECTORY / f"{name}.toml"
    try:
        return Experiment.model_validate(tomllib.loads(path.read_text()))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise LocalError(f"{path.name} cannot be read: {error}", f"Correct it: {path}") from None
