"""Defines the charts of a run, and computes the lines of each chart from the figures that were taken once a second."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from infra.lab.report.drawing import Values
from infra.lab.report.panels import Line, Panel

Document = Mapping[str, Any]

MAX_POINTS = 240
"""Maximum number of points of a line. Longer runs are drawn in steps of several seconds."""
STATES = {"accepted": "grey", "confirmed": "blue", "delivered": "green", "cancelled": "orange"}
"""States of orders, each with the colour of its line."""
COLOURS = ("blue", "violet", "orange", "ochre", "green", "red", "grey")
"""Colours of the lines in charts with one line per service."""


def length(timeline: Document) -> int:
    """Return the length of the timeline in seconds."""
    return len(timeline["http"]["requests"])


def charts(timeline: Document) -> tuple[list[Panel], float]:
    """Return the charts, and the number of seconds between their points."""
    step = -(-length(timeline) // MAX_POINTS)
    http = timeline["http"]
    failed = [_share(*pair) for pair in zip(http["failed"], http["requests"], strict=True)]
    step_note = f", maximum of each {step} s" if step > 1 else ""
    max_per_step = _binned(step, max)
    smooth = _smoothed(max(step, 3))

    def by_service(columns: Mapping[str, Values]) -> list[Line]:
        return [
            Line(name, max_per_step(values), COLOURS[number % len(COLOURS)])
            for number, (name, values) in enumerate(columns.items())
        ]

    orders = [
        Line(state, _binned(step, _mean)(smooth(timeline["orders"][state])), colour, filled=state == "accepted")
        for state, colour in STATES.items()
        if state in timeline["orders"]
    ]
    response_times = [
        Line("median", max_per_step(http["p50_ms"]), "blue"),
        Line("99th percentile", max_per_step(http["p99_ms"]), "violet"),
    ]
    # the number in each panel is its height
    return [
        Panel("orders per second", orders, 150, _plain),
        Panel(
            f"HTTP response time{step_note}",
            response_times,
            120,
            _duration,
            logarithmic=True,
            share=Line("share of failed requests", max_per_step(failed), "red"),
        ),
        Panel(f"events waiting in the broker's queues{step_note}", by_service(timeline["queues"]), 100, _plain),
        Panel(f"age of the oldest event in an outbox{step_note}", by_service(timeline["outbox_age_s"]), 100, _seconds),
    ], float(step)


def _share(part: float | None, whole: float | None) -> float | None:
    """Return `part` as a share of `whole`. None if either is 0 or unknown.

    `Panel` draws each share as a bar, and none for None.
    """
    return min(part / whole, 1.0) if part and whole else None


def _binned(size: int, combine: Callable[[list[float]], float]) -> Callable[[Values], Values]:
    """Return a function that combines every `size` consecutive values into one: None if none of them is known."""

    def binned(values: Values) -> Values:
        bins = (values[index : index + size] for index in range(0, len(values), size))
        known_by_bin = ([value for value in each if value is not None] for each in bins)
        return [combine(known) if known else None for known in known_by_bin]

    return binned


def _smoothed(width: int) -> Callable[[Values], Values]:
    """Return a function that replaces each value by the mean of the values around it, `width // 2` on each side.

    Unknown values count as 0.
    """

    def smoothed(values: Values) -> Values:
        half = width // 2
        around = (values[max(index - half, 0) : index + half + 1] for index in range(len(values)))
        return [_mean([value or 0 for value in each]) for each in around]

    return smoothed


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _plain(value: float) -> str:
    return f"{value:,.10g}"


def _seconds(value: float) -> str:
    return f"{value:g} s"


def _duration(ms: float) -> str:
    return f"{ms:g} ms" if ms < 1000 else f"{ms / 1000:g} s"
