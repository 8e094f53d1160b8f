"""Draws faults as bars with names on the time axis, in as few lanes as possible."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.lab.report.drawing import Scale, box, text

Fault = Mapping[str, Any]

LANE_HEIGHT, BAR_HEIGHT = 18, 11
GAP, CHARACTER_WIDTH = 4, 6.1
MIN_BAR_WIDTH = 3.0
MAX_LANES = 14
"""Maximum number of lanes with names. With more, the names are left out, and shown only when the pointer rests on a
bar."""
FAMILIES = {
    "processes": ("process", "red"),
    "links": ("network", "orange"),
    "database": ("database", "blue"),
    "broker": ("broker", "violet"),
    "dials": ("outside world", "ochre"),
    "messages": ("messages", "grey"),
    "clocks": ("clock", "teal"),
    "traffic": ("traffic", "green"),
}
"""Name and colour of each fault family."""


@dataclass(frozen=True)
class PlacedFault:
    """The horizontal positions of a fault's bar and name, in pixels."""

    fault: Fault
    start: float
    end: float
    undone: float
    """End of the pale part of the bar, which shows how long undoing the fault took."""
    left: float
    """Left edge of the space for bar and name. `right` is the other edge."""
    right: float
    name: str


def lanes(faults: Sequence[Fault], x_scale: Scale) -> list[list[PlacedFault]]:
    """Distribute the faults over lanes so that nothing overlaps."""
    found = _packed([_placed(fault, x_scale, name(fault)) for fault in faults])
    return found if len(found) <= MAX_LANES else _packed([_placed(fault, x_scale, "") for fault in faults])


def draw_lanes(found: Sequence[Sequence[PlacedFault]], top: float) -> Iterator[str]:
    """Draw the bars and their names."""
    for number, lane in enumerate(found):
        y = top + number * LANE_HEIGHT
        for each in lane:
            bar_colour = colour(each.fault)
            yield box(each.start, y, each.undone - each.start, BAR_HEIGHT, f"tail {bar_colour}", round_by=2)
            yield box(
                each.start,
                y,
                each.end - each.start,
                BAR_HEIGHT,
                f"bar {bar_colour}",
                title=describe_fault(each.fault),
                round_by=2,
            )
            if each.left < each.start - GAP:
                yield text(each.start - GAP, y + BAR_HEIGHT - 1, each.name, "label end")
            else:
                yield text(each.undone + GAP, y + BAR_HEIGHT - 1, each.name, "label")


def name(fault: Fault) -> str:
    """Return the kind of the fault and the part that it affects."""
    return f"{fault['kind']} {fault['part']}"


def colour(fault: Fault) -> str:
    """Return the colour of the fault's family."""
    return FAMILIES.get(fault.get("family", ""), ("", "grey"))[1]


def describe_effect(fault: Fault) -> str:
    """Return the observed effect of the fault, or why none was observed."""
    return str(fault["bite"] or fault.get("failure") or "no effect observed")


def describe_fault(fault: Fault) -> str:
    """Return everything that is known about the fault, one fact per line."""
    facts = [
        f"{name(fault)}: {fault['start_s']:.1f} to {fault['end_s']:.1f} s",
        describe_effect(fault),
    ]
    if fault.get("recovered_s") is not None:
        facts.append(f"next order completed after {fault['recovered_s']:.1f} s")
    if fault.get("drained_s") is not None:
        facts.append(f"backlog drained after {fault['drained_s']:.1f} s")
    return "\n".join(facts)


def _placed(fault: Fault, x_scale: Scale, words: str) -> PlacedFault:
    start = x_scale(fault["start_s"])
    end = max(x_scale(fault["end_s"]), start + MIN_BAR_WIDTH)
    undone = max(x_scale(fault.get("undone_s", 0.0)), end)
    width = GAP + len(words) * CHARACTER_WIDTH if words else 0.0
    left, right = (start, undone + width) if undone + width <= x_scale.end else (start - width, undone)
    return PlacedFault(fault, start, end, undone, left - GAP, right + GAP, words)


def _packed(faults: Sequence[PlacedFault]) -> list[list[PlacedFault]]:
    found: list[list[PlacedFault]] = []
    for each in sorted(faults, key=lambda each: each.start):
        for lane in found:
            if all(each.left >= other.right or other.left >= each.right for other in lane):
                lane.append(each)
                break
        else:
            found.append([each])
    return found
