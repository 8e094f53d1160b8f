"""Draws figures as one picture with a panel per benchmark, readable on light and on dark pages."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from infra.lab.report.drawing import box, text
from tests.benchmarks.figures import Figure, Spread, in_few_digits

DESCRIPTIONS = {
    "hop": ("One hop", "20,000 events waiting, one process", "more is better"),
    "hop-update": ("One hop, a row changed", "the same, with a row loaded and updated", "more is better"),
    "latency": ("Latency", "one event at a time, publish to outgoing event", "less is better"),
    "pipeline": ("Pipeline", "orders through five services, beside one hop alone", "more is better"),
    "growth": ("Growth", "a hop as tables fill", "flat is better"),
    "memory": ("Memory", "one service, 200,000 events waiting", "flat is better"),
    "scale": ("Scale", "cost of an event with more replicas", "flat is better"),
    "backfill": ("Backfill", "100,000 past events from the log, beside the same from a queue", "more is better"),
}
SHADES = {"floor": "floor", "faststream": "peer", "celery": "peer"}
"""The style of each contender that is compared with ours; all other bars are our own."""

WIDTH, MARGIN, GAP = 920, 24, 28
COLUMNS = 2
PANEL = (WIDTH - 2 * MARGIN - GAP * (COLUMNS - 1)) / COLUMNS
HEAD, ROW, BAR = 46, 24, 12
LABELS, NUMBERS = 184, 98
"""Widths of the names and the numbers in a panel; bars get the rest."""
BARS = PANEL - LABELS - NUMBERS

STYLE = """
  text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #1f2328 }
  .title { font-size: 15px; font-weight: 600 } .faint { fill: #59636e } .end { text-anchor: end }
  .card { fill: #ffffff; stroke: #d1d9e0 } .track { fill: #eff2f5 } .spread { stroke: #1f2328; stroke-opacity: .55 }
  .ours { fill: #1a7f52 } .floor { fill: #6e7d8c } .peer { fill: #afbac5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .faint { fill: #9198a1 }
    .card { fill: #0d1117; stroke: #3d444d } .track { fill: #1c2128 } .spread { stroke: #e6edf3 }
    .ours { fill: #3fb27f } .floor { fill: #8494a5 } .peer { fill: #4c5866 }
  }
"""


@dataclass(frozen=True)
class Panel:
    """One benchmark, drawn on its own scale from its top left corner."""

    name: str
    figure: Figure

    @property
    def height(self) -> float:
        return HEAD + ROW * len(self.figure.rates) + 22

    def drawn(self, x: float, y: float) -> str:
        title, what, better = DESCRIPTIONS[self.name]
        longest = max(max(spread.values) for spread in self.figure.rates.values())
        rows = [
            self._row(HEAD + ROW * place, who, spread, BARS / longest)
            for place, (who, spread) in enumerate(self.figure.rates.items())
        ]
        return "\n".join(
            [
                f'<g transform="translate({x:.0f} {y:.0f})">',
                text(0, 14, title, "title"),
                text(PANEL, 14, f"{self.figure.unit}, {better}", "faint end"),
                text(0, 33, what, "faint"),
                *rows,
                "</g>",
            ]
        )

    def _row(self, y: float, who: str, spread: Spread, scale: float) -> str:
        middle, low, high = y + ROW / 2, LABELS + min(spread.values) * scale, LABELS + max(spread.values) * scale
        whisker = f"M{low:.1f} {middle}H{high:.1f}M{low:.1f} {middle - 3}v6M{high:.1f} {middle - 3}v6"
        ratio = self.figure.ratios.get(who)
        return "".join(
            [
                text(LABELS - 10, middle + 4, who, "end"),
                box(LABELS, middle - BAR / 2, BARS, BAR, "track", round_by=2),
                box(LABELS, middle - BAR / 2, spread.median * scale, BAR, SHADES.get(who, "ours"), round_by=2),
                f'<path class="spread" d="{whisker}"/>',
                text(LABELS + BARS + 52, middle + 4, in_few_digits(spread.median), "end"),
                "" if ratio is None else text(PANEL, middle + 4, f"{ratio:.{1 if ratio >= 10 else 2}f}x", "faint end"),
            ]
        )


def chart(figures: Mapping[str, Figure]) -> str:
    """Return an SVG. Bars are medians, whiskers the spread. Ratios are of the first bar to this one, round by round."""
    ends = [float(MARGIN)] * COLUMNS
    panels = []
    for panel in (Panel(name, figures[name]) for name in sorted(figures, key=list(DESCRIPTIONS).index)):
        column = ends.index(min(ends))
        panels.append(panel.drawn(MARGIN + column * (PANEL + GAP), ends[column]))
        ends[column] += panel.height
    height = max(ends) + 22
    machines = "; ".join(dict.fromkeys(figure.machine for figure in figures.values()))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img">',
            f"<title>Benchmarks on {escape(machines)}</title>",
            f"<style>{STYLE}</style>",
            f'<rect class="card" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1:.0f}" rx="8"/>',
            *panels,
            text(
                MARGIN,
                height - 16,
                f"Medians with their spread; 2x: the first bar is twice this one. {machines}",
                "faint",
            ),
            "</svg>",
            "",
        ]
    )
