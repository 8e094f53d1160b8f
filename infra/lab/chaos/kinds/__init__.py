"""Lists every kind of fault by its name, and checks faults against them."""

from collections.abc import Iterable, Sequence

from infra.lab.chaos.fault import Fault, Kind
from infra.lab.chaos.kinds import broker, clocks, database, dials, links, messages, processes, traffic
from infra.stack import LocalError

FAMILIES = (processes, links, dials, broker, database, messages, clocks, traffic)
FAMILY = {kind.name: family.__name__.rpartition(".")[2] for family in FAMILIES for kind in family.KINDS}
"""The family of each kind of fault, which is what it breaks: processes, links, …"""
ONE_AT_A_TIME = ("links", "dials")
"""Families that allow one fault at a time at a link or dial. A second one replaces the first, and the end of either
ends both."""
KINDS: dict[str, Kind] = {kind.name: kind for family in FAMILIES for kind in family.KINDS}


def check_fault(fault: Fault, services: Sequence[str]) -> Fault:
    """Return the fault. Raises `LocalError` if its kind, part or options do not exist or do not go together."""
    kind = KINDS.get(fault.kind)
    if kind is None:
        raise LocalError(f"There is no fault {fault.kind!r}.", f"There are: {', '.join(KINDS)}")
    if fault.part not in (parts := kind.parts(services)):
        raise LocalError(f"{fault.kind} cannot be at {fault.part!r}.", f"It can be at: {', '.join(parts)}")
    for name in fault.options:
        if name not in kind.defaults:
            known = f"It has: {', '.join(kind.defaults)}" if kind.defaults else "It has none."
            raise LocalError(f"{fault.kind} has no option {name!r}.", known)
    return fault


def find_replaced(fault: Fault, others: Iterable[Fault]) -> Fault | None:
    """Return the fault among those in effect (`others`) that `fault` would replace, or None."""
    family = FAMILY[fault.kind]
    same = (each for each in others if each.part == fault.part and FAMILY.get(each.kind) == family)
    return next(same, None) if family in ONE_AT_A_TIME else None
