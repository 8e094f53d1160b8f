"""Draws an overview of the system: the gateway, the services, their events and databases, and the broker."""

from collections.abc import Iterator, Sequence
from html import escape
from textwrap import wrap

from infra.lab.docs.event_map import display_name
from infra.lab.docs.wiring import ServiceWiring

BOX_WIDTH, GAP, MARGIN = 200, 16, 16
LINE_HEIGHT = 15
LINE_LENGTH = 28
"""Maximum characters of a line. So many fit into a box even in a wide font."""
TOP, GATEWAY_TOP, BOX_TOP = 16, 76, 148
BAR_HEIGHT = 32
OUTSIDE = {
    "checkout": "payment providers",
    "delivery": "carriers",
    "notifications": "mail server, webhooks",
}
"""The external systems that a service calls. Their clients are in its `gateways.py`."""

CLIENTS = "Customers and sellers: HTTP, with bearer tokens"
GATEWAY = "Gateway (Envoy): one address for all services; checks tokens and roles, limits rates, balances load, retries"
BROKER = "RabbitMQ: one topic exchange per publisher, one quorum queue per subscription, a log stream of all events"

STYLE = """
text{font:12px system-ui,sans-serif;fill:#1f2933}.n{font-weight:600;font-size:15px}.s{fill:#52606d}.h{font-weight:600}
.box{fill:#f5f8fc;stroke:#7b93b3}.bar{fill:#fdf3e7;stroke:#c98a3d}.db{fill:#eaf5ee;stroke:#5d9c74}
.gate{fill:#f1edfa;stroke:#8b78b8}.out{fill:none;stroke:#7b93b3;stroke-dasharray:4 3}
.a{stroke:#52606d;fill:none;marker-end:url(#tip)}
#tip path{fill:#52606d}
@media(prefers-color-scheme:dark){text{fill:#e4e7eb}.s{fill:#9aa5b1}.box{fill:#1d2733;stroke:#6b83a3}
.bar{fill:#33281a;stroke:#c98a3d}.db{fill:#1b2b22;stroke:#5d9c74}.gate{fill:#272140;stroke:#8b78b8}
.a{stroke:#9aa5b1}#tip path{fill:#9aa5b1}}
"""


def overview(services: Sequence[ServiceWiring]) -> str:
    """Return the picture as SVG. It is readable on a light and on a dark page."""
    texts = [list(_lines(each)) for each in services]
    box_height = 34 + LINE_HEIGHT * max(len(each) for each in texts)
    width = 2 * MARGIN + len(services) * BOX_WIDTH + (len(services) - 1) * GAP
    bar_top = BOX_TOP + box_height + 48
    height = bar_top + 52 + 16
    parts = [
        _bar(TOP, width, BAR_HEIGHT, "out", CLIENTS),
        f'<path class="a" d="M{width // 2} {TOP + BAR_HEIGHT}V{GATEWAY_TOP - 2}"/>',
        _bar(GATEWAY_TOP, width, BAR_HEIGHT, "gate", GATEWAY),
    ]
    for number, (service, lines) in enumerate(zip(services, texts, strict=True)):
        parts += _column(MARGIN + number * (BOX_WIDTH + GAP), service, lines, box_height, bar_top)
    parts.append(_bar(bar_top, width, 52, "bar", BROKER))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        ' aria-label="A gateway, the services behind it, their events and databases, and the broker between them">\n'
        f"<style>{STYLE}</style>\n"
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
        ' orient="auto"><path d="M0 0L8 4L0 8Z"/></marker></defs>\n'
        f"{body}\n</svg>\n"
    )


def _lines(service: ServiceWiring) -> Iterator[tuple[str, str]]:
    """Yield the style and text of each line in a service's box."""
    names = dict.fromkeys(display_name(type).partition(" ")[0] for type in service.publishes)  # without the version
    yield "h", "publishes"
    yield from (("s", name) for name in names)
    yield "h", "subscribes to events of"
    publishers = {type.partition(".")[0] for types in service.subscriptions.values() for type in types} - {
        service.service
    }
    yield from (("s", line) for line in wrap(", ".join(sorted(publishers)) or "none", LINE_LENGTH))
    if service.service in OUTSIDE:
        yield "h", "calls"
        yield "s", OUTSIDE[service.service]


def _column(
    left: int, service: ServiceWiring, lines: Sequence[tuple[str, str]], height: int, bar_top: int
) -> Iterator[str]:
    middle, bottom = left + BOX_WIDTH // 2, BOX_TOP + height
    yield f'<path class="a" d="M{middle} {GATEWAY_TOP + BAR_HEIGHT}V{BOX_TOP - 2}"/>'
    yield f'<rect class="box" x="{left}" y="{BOX_TOP}" width="{BOX_WIDTH}" height="{height}" rx="6"/>'
    yield f'<text class="n" x="{left + 12}" y="{BOX_TOP + 22}">{escape(service.service)}</text>'
    yield f'<rect class="db" x="{left + BOX_WIDTH - 78}" y="{BOX_TOP + 8}" width="68" height="18" rx="9"/>'
    yield f'<text class="s" x="{left + BOX_WIDTH - 69}" y="{BOX_TOP + 21}">Postgres</text>'
    for number, (style, text) in enumerate(lines):
        y = BOX_TOP + 42 + number * LINE_HEIGHT
        yield f'<text class="{style}" x="{left + 12}" y="{y}">{escape(text)}</text>'
    yield f'<path class="a" d="M{middle - 24} {bottom}V{bar_top - 2}"/>'
    yield f'<path class="a" d="M{middle + 24} {bar_top}V{bottom + 2}"/>'


def _bar(top: int, width: int, height: int, style: str, text: str) -> str:
    return (
        f'<rect class="{style}" x="{MARGIN}" y="{top}" width="{width - 2 * MARGIN}" height="{height}" rx="6"/>'
        f'<text x="{width // 2}" y="{top + height // 2 + 4}" text-anchor="middle">{escape(text)}</text>'
    )
