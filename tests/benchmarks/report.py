"""Prints figures for people, as a table on the terminal."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from tests.benchmarks.figures import Figure, in_few_digits


def table(figures: Mapping[str, Figure]) -> None:
    """Print every figure with its spread and its ratios."""
    machines = "; ".join(dict.fromkeys(figure.machine for figure in figures.values()))
    shown = Table(title=f"Benchmarks on {machines}", title_justify="left")
    shown.add_column("bench")
    shown.add_column("who")
    for heading in ("median", "min", "max", "ratio", "µs CPU each"):
        shown.add_column(heading, justify="right")
    for name, figure in figures.items():
        costs = figure.more.get("cpu_us_per_event", {})
        for place, (who, spread) in enumerate(figure.rates.items()):
            ratio = figure.ratios.get(who)
            shown.add_row(
                f"{name} ({figure.unit})" if place == 0 else "",
                who,
                *map(in_few_digits, (spread.median, min(spread.values), max(spread.values))),
                "" if ratio is None else f"{ratio:.2f}x",
                f"{costs[who].median:,.0f}" if who in costs else "",
                end_section=place == len(figure.rates) - 1,
            )
    Console().print(shown)
