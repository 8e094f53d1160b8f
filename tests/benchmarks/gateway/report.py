"""Judges the figures of the gateway against their targets, and shows them."""

import statistics
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.figures import machine
from tests.benchmarks.pairs import Estimate, shift

MAX_OVERHEAD_MS, MAX_MEMORY_MB, MAX_FLOOD_RATIO = 2.0, 120.0, 1.25


@dataclass
class GatewayFigures:
    """The figures of one run. Lists have a value for each round; values at the same index are a pair."""

    direct_p50_ms: list[float] = field(default_factory=list)
    gateway_p50_ms: list[float] = field(default_factory=list)
    direct_p99_ms: list[float] = field(default_factory=list)
    gateway_p99_ms: list[float] = field(default_factory=list)
    quiet_p99_ms: list[float] = field(default_factory=list)
    """Of the other users, without the flood."""
    flooded_p99_ms: list[float] = field(default_factory=list)
    requests_per_core_s: float = 0.0
    """Requests for each second of processor time of the gateway."""
    memory_mb: float = 0.0
    flood_limited: int = 0
    """Number of requests of the flood that were answered 429."""
    others_limited: int = 0
    machine: str = field(default_factory=machine)

    @property
    def overhead(self) -> Estimate:
        """The milliseconds that the gateway adds to the median."""
        return shift([ours - theirs for ours, theirs in zip(self.gateway_p50_ms, self.direct_p50_ms, strict=True)])

    @property
    def flood_ratios(self) -> list[float]:
        """The 99th percentile of the others with the flood, as a multiple of the one without."""
        return [loud / quiet for loud, quiet in zip(self.flooded_p99_ms, self.quiet_p99_ms, strict=True)]

    def targets(self) -> dict[str, bool]:
        """Return whether each target is met."""
        return {
            f"at most {MAX_OVERHEAD_MS:g} ms more at the median": self.overhead.value <= MAX_OVERHEAD_MS,
            f"at most {MAX_MEMORY_MB:g} MB of memory": self.memory_mb <= MAX_MEMORY_MB,
            "the flood is limited": self.flood_limited > 0,
            "no other user is limited": self.others_limited == 0,
            f"p99 of the others at most {MAX_FLOOD_RATIO:g} times that without the flood": statistics.median(
                self.flood_ratios
            )
            <= MAX_FLOOD_RATIO,
        }

    def to_json(self) -> dict[str, Any]:
        overhead = self.overhead
        return {
            **vars(self),
            "overhead_ms": overhead.value,
            "overhead_ci95_ms": [overhead.low, overhead.high],
            "flood_ratio": statistics.median(self.flood_ratios),
            "flood_ratios": self.flood_ratios,
            "targets": self.targets(),
        }


def show(figures: GatewayFigures) -> None:
    """Print the figures, and whether the targets are met."""
    table = Table(title=f"The gateway on {figures.machine}", title_justify="left")
    for heading in ("", "median", "min", "max"):
        table.add_column(heading, justify="right" if heading else "left")
    for label, values in (
        ("direct, p50 (ms)", figures.direct_p50_ms),
        ("through the gateway, p50 (ms)", figures.gateway_p50_ms),
        ("direct, p99 (ms)", figures.direct_p99_ms),
        ("through the gateway, p99 (ms)", figures.gateway_p99_ms),
        ("others without the flood, p99 (ms)", figures.quiet_p99_ms),
        ("others with the flood, p99 (ms)", figures.flooded_p99_ms),
        ("ratio of the two", figures.flood_ratios),
    ):
        table.add_row(label, *(f"{each:.2f}" for each in (statistics.median(values), min(values), max(values))))
    console, overhead = Console(highlight=False), figures.overhead
    console.print(
        table,
        f"Added at the median, {len(figures.direct_p50_ms)} pairs: {overhead.value:.2f} ms,"
        f" 95 % interval {overhead.low:.2f} to {overhead.high:.2f} ms",
        f"{figures.requests_per_core_s:,.0f} requests per second and core of its processor time",
        f"{figures.memory_mb:.0f} MB of memory",
        f"Answered 429: {figures.flood_limited:,} requests of the flood, {figures.others_limited} of others",
        *(f"{'met' if met else 'MISSED'}: {target}" for target, met in figures.targets().items()),
        sep="\n",
    )
