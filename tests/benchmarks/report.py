"""Figures for people: a table on the terminal, a chart as SVG."""

import os
import platform
from collections.abc import Mapping
from html import escape

from rich.console import Console
from rich.table import Table

from tests.benchmarks.figures import Figure

WIDTH, BAR, ROW, LEFT = 760, 440, 22, 190
COLOURS = {"marketplace": "#2f6f4f", "floor": "#8a8a8a"}
OTHER = "#b9c4bd"


def machine() -> str:
    """The machine in a few words."""
    system = f"{platform.system()} {platform.release()}"
    return f"{platform.machine()}, {os.cpu_count()} CPUs, {system}, Python {platform.python_version()}"


def table(figures: Mapping[str, Figure]) -> None:
    """Print every figure with its spread and its ratios."""
    console = Console()
    shown = Table(title=f"Benchmarks on {machine()}", title_justify="left")
    shown.add_column("bench")
    shown.add_column("who")
    for heading in ("median", "min", "max", "ratio", "µs CPU each"):
        shown.add_column(heading, justify="right")
    for name, figure in figures.items():
        costs = figure.more.get("cpu_us_per_event", {})
        for place, who in enumerate(figure.rates):
            ratio = figure.ratios.get(who)
            shown.add_row(
                f"{name} ({figure.unit})" if place == 0 else "",
                who,
                *(f"{value:,.4g}" if value < 1000 else f"{value:,.0f}" for value in _three(figure, who)),
                "" if ratio is None else f"{ratio:.2f}x",
                f"{costs[who].median:,.0f}" if who in costs else "",
                end_section=place == len(figure.rates) - 1,
            )
    console.print(shown)


def chart(figures: Mapping[str, Figure]) -> str:
    """Bars of the medians with their spread, one block per benchmark, each to its own scale."""
    parts, y = [], 44
    for name, figure in figures.items():
        parts.append(_text(16, y, f"{name}, {figure.unit}", weight="bold"))
        y += 12
        longest = max(max(spread.values) for spread in figure.rates.values())
        for who in figure.rates:
            median, low, high = _three(figure, who)
            scale = BAR / longest
            middle = y + ROW / 2
            parts += [
                _text(LEFT - 8, middle + 4, who, anchor="end"),
                _bar(y + 4, median * scale, COLOURS.get(who, OTHER)),
                f'<path d="M{LEFT + low * scale:.1f} {middle}H{LEFT + high * scale:.1f}" stroke="#222"/>',
                _text(LEFT + high * scale + 8, middle + 4, f"{median:,.3g}" if median < 1000 else f"{median:,.0f}"),
            ]
            y += ROW
        y += 28
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}"'
        ' font-family="system-ui, sans-serif" font-size="13">'
        '<rect width="100%" height="100%" fill="#fff"/>'
    )
    return "\n".join([head, _text(16, 20, f"Medians and spread on {machine()}", size=12), *parts, "</svg>", ""])


def _three(figure: Figure, who: str) -> tuple[float, float, float]:
    spread = figure.rates[who]
    return spread.median, min(spread.values), max(spread.values)


def _bar(y: float, width: float, colour: str) -> str:
    return f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{ROW - 8}" fill="{colour}"/>'


def _text(x: float, y: float, words: str, *, anchor: str = "start", weight: str = "normal", size: int = 13) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" font-size="{size}"'
        f' fill="#222">{escape(words)}</text>'
    )
