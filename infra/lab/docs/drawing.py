"""Draws the map of events as SVG: services on a ring, with an arrow from each publisher to each of its subscribers."""

from collections.abc import Iterator, Sequence
from html import escape
from math import cos, hypot, pi, sin

from infra.lab.docs.event_map import display_name
from infra.lab.docs.wiring import ServiceWiring

SIZE, RING_RADIUS = 620, 230
WIDTH, HEIGHT, GAP = 116, 36, 3
"""Width and height of a node, and the gap between a node and an arrow, in SVG units."""
BEND = 26
"""How far an arrow bends to the side, in SVG units, so that it and the arrow in the other direction do not overlap."""

Point = tuple[float, float]


def svg(services: Sequence[ServiceWiring]) -> str:
    """Return the drawing. An arrow's events are shown when the pointer rests on it."""
    places = {each.service: _place(number, len(services)) for number, each in enumerate(services)}
    return f"""<svg viewBox="0 0 {SIZE} {SIZE}" role="img" aria-label="which service publishes events to which">
<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">
<path d="M0 0L10 5L0 10z"/></marker></defs>
{"".join(_arrows(services, places))}{"".join(_node(name, place) for name, place in places.items())}
</svg>"""


def _place(number: int, of: int) -> Point:
    angle = 2 * pi * number / max(of, 1) - pi / 2
    return SIZE / 2 + RING_RADIUS * cos(angle), SIZE / 2 + RING_RADIUS * sin(angle)


def _node(name: str, place: Point) -> str:
    x, y = place
    return (
        f'<g class="node"><rect x="{x - WIDTH / 2:.0f}" y="{y - HEIGHT / 2:.0f}"'
        f' width="{WIDTH}" height="{HEIGHT}" rx="{HEIGHT / 2:.0f}"/>'
        f'<text x="{x:.0f}" y="{y + 5:.0f}">{escape(name)}</text></g>'
    )


def _arrows(services: Sequence[ServiceWiring], places: dict[str, Point]) -> Iterator[str]:
    for publisher in services:
        for subscriber in services:
            names = [display_name(type) for type in publisher.publishes if subscriber.queues_for(type)]
            if names and publisher is not subscriber:
                events = escape("\n".join(names))
                path, (x, y) = _curve(places[publisher.service], places[subscriber.service])
                yield (
                    f'<g class="arrow"><title>{publisher.service} → {subscriber.service}\n{events}</title>'
                    f'<path d="{path}"/><text x="{x:.0f}" y="{y:.0f}">{len(names)}</text></g>'
                )


def _curve(start: Point, end: Point) -> tuple[str, Point]:
    """Return the path of a bent line between the edges of two nodes, and its middle."""
    (x1, y1), (x2, y2) = start, end
    length = hypot(x2 - x1, y2 - y1)
    bend = (x1 + x2) / 2 - (y2 - y1) / length * BEND * 2, (y1 + y2) / 2 + (x2 - x1) / length * BEND * 2
    (x1, y1), (x2, y2) = _edge(start, bend), _edge(end, bend)
    middle = (x1 + 2 * bend[0] + x2) / 4, (y1 + 2 * bend[1] + y2) / 4
    return f"M{x1:.0f} {y1:.0f}Q{bend[0]:.0f} {bend[1]:.0f} {x2:.0f} {y2:.0f}", middle


def _edge(node: Point, towards: Point) -> Point:
    """Return the point where a line from the middle of a node leaves it, plus the gap."""
    dx, dy = towards[0] - node[0], towards[1] - node[1]
    share = min((WIDTH / 2 + GAP) / max(abs(dx), 1), (HEIGHT / 2 + GAP) / max(abs(dy), 1))
    return node[0] + dx * share, node[1] + dy * share
