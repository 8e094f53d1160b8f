"""Figures of benchmarks: rounds in alternating order, medians with their spread, ratios."""

import os
import platform
import statistics
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from tests.benchmarks.contender import Contender, Turn


def machine() -> str:
    """Describe the machine in a few words. Only the first two numbers of the kernel's version are named."""
    system = f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}"
    return f"{platform.machine()}, {os.cpu_count()} CPUs, {system}, Python {platform.python_version()}"


@dataclass(frozen=True)
class Spread:
    """The rounds of one contender."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def to_json(self) -> dict[str, float]:
        return {"median": _short(self.median), "min": _short(min(self.values)), "max": _short(max(self.values))}

    @classmethod
    def from_json(cls, saved: dict[str, float]) -> Self:
        return cls((saved["min"], saved["median"], saved["max"]))


@dataclass(frozen=True)
class Figure:
    """The result of one benchmark."""

    unit: str
    rates: dict[str, Spread]
    """By contender, or by variant."""
    ratios: dict[str, float] = field(default_factory=dict)
    """The ratios of the first of `rates` to each of the others."""
    more: dict[str, dict[str, Spread]] = field(default_factory=dict)
    """Further figures of the same rounds, by their unit."""
    machine: str = field(default_factory=machine)

    def to_json(self) -> dict[str, Any]:
        return {
            "unit": self.unit,
            "rates": {name: spread.to_json() for name, spread in self.rates.items()},
            "ratios": {name: round(ratio, 3) for name, ratio in self.ratios.items()},
            **{
                unit: {name: spread.to_json() for name, spread in spreads.items()}
                for unit, spreads in self.more.items()
            },
            "machine": self.machine,
        }

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> Self:
        """Return the figure that `to_json` wrote. Each spread has only three values."""
        known = dict(saved)
        unit, ratios, machine = known.pop("unit"), known.pop("ratios"), known.pop("machine")
        rates, more = _spreads(known.pop("rates")), {kind: _spreads(by_name) for kind, by_name in known.items()}
        return cls(unit, rates, ratios, more, machine)


def figure(unit: str, values: dict[str, list[float]], more: dict[str, dict[str, list[float]]] | None = None) -> Figure:
    """Return medians, and the ratio of the first to each of the others within one round."""
    first, *others = values
    ratios = {
        name: statistics.median(mine / theirs for mine, theirs in zip(values[first], values[name], strict=True))
        for name in others
    }
    return Figure(
        unit,
        {name: Spread(tuple(each)) for name, each in values.items()},
        ratios,
        {kind: {name: Spread(tuple(each)) for name, each in by_name.items()} for kind, by_name in (more or {}).items()},
    )


async def rounds(
    contenders: Sequence[Contender], turn: Callable[[Contender], Awaitable[Turn]], *, unit: str, number: int
) -> Figure:
    """Give each contender one turn per round. Alternate the order, so that none always follows another."""
    rates: dict[str, list[float]] = {each.name: [] for each in contenders}
    costs: dict[str, list[float]] = {each.name: [] for each in contenders}
    for round in range(number):
        for contender in contenders if round % 2 == 0 else contenders[::-1]:
            seen = await turn(contender)
            rates[contender.name].append(seen.rate)
            costs[contender.name].append(seen.cpu_us)
            note(f"round {round + 1}: {contender.name} {seen.rate:,.0f} {unit}, {seen.cpu_us:,.0f} µs of CPU each")
    return figure(unit, rates, {"cpu_us_per_event": costs})


def note(line: str) -> None:
    """Print progress to standard error. The figures themselves go to standard output."""
    print(line, file=sys.stderr, flush=True)


def in_few_digits(value: float) -> str:
    """Format a number for people: three significant digits, or a whole number from 1,000 on."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _spreads(saved: dict[str, dict[str, float]]) -> dict[str, Spread]:
    return {name: Spread.from_json(each) for name, each in saved.items()}


def _short(value: float) -> float:
    return round(value, 1 if abs(value) >= 100 else 3)
