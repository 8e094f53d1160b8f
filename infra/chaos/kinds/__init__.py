"""Every kind of fault, by its name."""

from collections.abc import Sequence

from infra.chaos.fault import Fault, Kind
from infra.chaos.kinds import broker, database, dials, links, messages, processes, traffic
from infra.local import LocalError

FAMILIES = (processes, links, dials, broker, database, messages, traffic)
FAMILY = {kind.name: family.__name__.rpartition(".")[2] for family in FAMILIES for kind in family.KINDS}
"""What a kind of fault breaks: processes, links, …"""
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
            known = ", ".join(kind.defaults) or "none"
            raise LocalError(f"{fault.kind} has no option {name!r}.", f"It has: {known}")
    return fault
