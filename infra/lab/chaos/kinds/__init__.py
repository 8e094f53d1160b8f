"""Every kind of fault, by its name."""

from collections.abc import Iterable, Sequence

from infra.lab.chaos.fault import Fault, Kind
from infra.lab.chaos.kinds import broker, clocks, database, dials, links, messages, processes, traffic
from infra.stack import LocalError

FAMILIES = (processes, links, dials, broker, database, messages, clocks, traffic)
FAMILY = {kind.name: family.__name__.rpartition(".")[2] for family in FAMILIES for kind in family.KINDS}
"""What a kind of fault breaks: processes, links, …"""
REPLACED = ("links", "dials")
"""A link or dial has one fault of its family: another one replaces it, and the end of either ends both."""
KINDS: dict[str, Kind] = {kind.name: kind for family in FAMILIES for kind in family.KINDS}


def checked(fault: Fault, services: Sequence[str]) -> Fault:
    """The fault, if there can be one of this kind at this place with these options. Raises `LocalError`."""
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


def replaced_by(fault: Fault, others: Iterable[Fault]) -> Fault | None:
    """Which of the faults in effect this one would replace."""
    family = FAMILY[fault.kind]
    same = (each for each in others if each.part == fault.part and FAMILY.get(each.kind) == family)
    return next(same, None) if family in REPLACED else None
