"""Provides the parts of SVG charts: scales, ticks, lines that break at unknown values, and escaped text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

Values = Sequence[float | None]


@dataclass(frozen=True)
class Scale:
    """Maps values to pixels. On a logarithmic scale, values below `low` are drawn at `low`."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """Return the pixel for a value. Values outside the scale are drawn at its ends."""
        value = min(max(value, self.low), self.high)
        if self.logarithmic:
            share = log10(value / self.low) / log10(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def ticks(high: float, max_steps: int) -> list[float]:
    """Return round values from 0 to the first that is not below `high`, in steps of 1, 2 or 5 times a power of ten."""
    high = high if high > 0 else 1.0
    size = 10.0 ** floor(log10(high / max_steps))
    step = next(size * each for each in (1, 2, 5, 10) if high / (size * each) <= max_steps)
    return [number * step for number in range(ceil(high / step - 1e-9) + 1)]


def decades(low: float, high: float) -> list[float]:
    """Return the powers of ten from `low`, which must be a power of ten, to the first that is not below `high`."""
    return [low * 10.0**each for each in range(max(ceil(log10(high / low) - 1e-9), 1) + 1)]


def split_at_gaps(values: Values) -> Iterator[list[tuple[int, float]]]:
    """Yield segments of known values with their indexes, split at unknown values."""
    segment: list[tuple[int, float]] = []
    for index, value in enumerate(values):
        if value is None and segment:
            yield segment
            segment = []
        elif value is not None:
            segment.append((index, value))
    if segment:
        yield segment


def line(points: Sequence[tuple[float, float]]) -> str:
    """Return the path through the points. A single point becomes a dot if the line's ends are round."""
    first, *rest = [f"{x:.1f} {y:.1f}" for x, y in points]
    return f"M{first}" + "".join(f"L{each}" for each in rest or [first])


def area(points: Sequence[tuple[float, float]], ground: float) -> str:
    """Return the path through the points, closed along the line y = `ground`."""
    return f"{line(points)}L{points[-1][0]:.1f} {ground:.1f}L{points[0][0]:.1f} {ground:.1f}Z"


def text(x: float, y: float, words: str, style: str = "") -> str:
    """Return a text whose baseline begins at this point, unless the style says otherwise."""
    return f'<text x="{x:.1f}" y="{y:.1f}"{_class(style)}>{escape(words)}</text>'


def box(x: float, y: float, width: float, height: float, style: str, *, title: str = "", round_by: float = 0) -> str:
    """Return a rectangle. Its title is shown when the pointer rests on it."""
    inner = f"<title>{escape(title)}</title>" if title else ""
    corner = f' rx="{round_by:g}"' if round_by else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}"{corner}{_class(style)}>'
        f"{inner}</rect>"
    )


def stroke(path: str, style: str) -> str:
    """Return a path element."""
    return f'<path d="{path}"{_class(style)}/>'


def _class(style: str) -> str:
    return f' class="{escape(style)}"' if style else ""
