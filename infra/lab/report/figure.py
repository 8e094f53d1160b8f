"""Draws a run as one picture: its faults, and below them, on the same axis, charts of orders, requests and queues."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from infra.lab.report.charts import charts, length
from infra.lab.report.drawing import Scale, box, stroke, text
from infra.lab.report.lanes import FAMILIES, LANE_HEIGHT, colour, draw_lanes, lanes
from infra.lab.report.panels import legend

Document = Mapping[str, Any]

STYLE = Path(__file__).with_name("figure.css")
WIDTH, LEFT, RIGHT = 1120, 62, 1098
HEADING_HEIGHT, FAULTS_TITLE_HEIGHT, PANEL_GAP, TIME_AXIS_HEIGHT = 64, 34, 48, 40
MAX_TIME_MARKS = 14
TIME_MARK_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, *(3600 * hours for hours in range(1, 10_000)))
VERDICTS = {"pass": "green", "fail": "red", "unknown": "ochre"}


def figure(document: Document) -> str:
    """Return the picture for a run's JSON, for a page that contains its style."""
    parts, height = _draw(document, top=0)
    return f'<svg class="run" {_size(height)} role="img" aria-label="the run, second by second">{parts}</svg>'


def standalone_svg(document: Document) -> str:
    """Return the picture as a self-contained SVG file with title, summary and verdict."""
    parts, height = _draw(document, top=HEADING_HEIGHT)
    size = f'{_size(height)} width="{WIDTH}" height="{height:.0f}"'
    return f"""<svg xmlns="http://www.w3.org/2000/svg" class="run" {size}>
<style>
{STYLE.read_text()}</style>
<rect width="100%" height="100%" class="paper"/>
{"".join(_heading(document))}
{parts}
</svg>
"""


def _draw(document: Document, top: float) -> tuple[str, float]:
    """Draw everything below `top`. Returns the SVG and the bottom edge."""
    timeline, faults = document["timeline"], document.get("faults", ())
    x_scale = Scale(0, length(timeline), LEFT, RIGHT)
    panels, step_s = charts(timeline)
    parts: list[str] = []
    spans_top = top + FAULTS_TITLE_HEIGHT
    if faults:
        parts += [text(LEFT, spans_top - 14, "faults", "title"), *legend(_families(faults), RIGHT, spans_top - 14)]
        placed = lanes(faults, x_scale)
        parts += draw_lanes(placed, spans_top)
        top = spans_top + len(placed) * LANE_HEIGHT
    for panel in panels:
        parts += panel.draw(x_scale, top + PANEL_GAP, step_s)
        top += PANEL_GAP + panel.height
    parts += _axis(timeline, x_scale, spans_top, top)
    behind = _bands(faults, x_scale, spans_top, top)
    return "\n".join([*behind, *parts]), top + TIME_AXIS_HEIGHT


def _size(height: float) -> str:
    return f'viewBox="0 0 {WIDTH} {height:.0f}"'


def _families(faults: Sequence[Document]) -> dict[str, str]:
    """Return the names and colours of the fault families that occur."""
    occurring = {fault.get("family") for fault in faults}
    return dict(words for family, words in FAMILIES.items() if family in occurring)


def _bands(faults: Sequence[Document], x_scale: Scale, top: float, bottom: float) -> Iterator[str]:
    """Draw each fault's duration as a band behind all charts."""
    for each in faults:
        start = x_scale(each["start_s"])
        yield box(start, top, max(x_scale(each["end_s"]) - start, 1), bottom - top, f"band {colour(each)}")


def _axis(timeline: Document, x_scale: Scale, top: float, bottom: float) -> Iterator[str]:
    step = next(each for each in TIME_MARK_STEPS_S if x_scale.high / each <= MAX_TIME_MARKS)
    for number in range(int(x_scale.high / step) + 1):
        x = x_scale(number * step)
        yield stroke(f"M{x:.1f} {bottom:.1f}v5", "grid")
        yield text(x, bottom + 19, _clock(number * step), "tick middle")
    if timeline["customers_s"] < x_scale.high:
        x = x_scale(timeline["customers_s"])
        yield stroke(f"M{x:.1f} {bottom:.1f}V{top:.1f}", "last-customer")
        yield text(x - 6, bottom + 34, "the last customer arrives", "label end")


def _heading(document: Document) -> Iterator[str]:
    yield text(LEFT - 46, 28, document["title"], "heading")
    yield text(LEFT - 46, 50, f"{document['about'].rstrip('.')}. {summary(document)}.", "label")
    if verdict := document.get("verdict"):
        words = f"audit: {verdict}"
        width = len(words) * 9.0 + 24
        yield box(RIGHT - width, 10, width, 28, f"bar {VERDICTS[verdict]}", round_by=14)
        yield text(RIGHT - width / 2, 29, words, "verdict middle")


def summary(document: Document) -> str:
    """Return a one-line summary of a run."""
    orders = document["orders"]
    words = [f"{orders['accepted']:,} orders accepted", f"{orders['delivered']:,} delivered"]
    words += [f"{orders['cancelled']:,} cancelled", f"{orders['pending']:,} pending"]
    if faults := document.get("faults"):
        words[:0] = [f"{len(faults)} faults of {len({each['kind'] for each in faults})} kinds"]
    if "violations" in document:
        words.append(f"{len(document['violations'])} violations")
    return ", ".join(words)


def _clock(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 60 else f"{seconds // 60:.0f}:{seconds % 60:02.0f}"
