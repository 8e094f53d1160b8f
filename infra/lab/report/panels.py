"""Draws one chart of a run: lines over time, with a scale, a title and a legend."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from infra.lab.report.drawing import Scale, Values, area, box, decades, line, split_at_gaps, stroke, text, ticks

CHARACTER_WIDTH = 6.1
SWATCH = 14


@dataclass(frozen=True)
class Line:
    """A line of a chart."""

    name: str
    values: Values
    colour: str
    filled: bool = False


@dataclass(frozen=True)
class Panel:
    """A chart whose lines have one scale.

    `share` contains values from 0 to 1, drawn as bars of this fraction of the chart's height.
    """

    title: str
    lines: Sequence[Line]
    height: float
    show: Callable[[float], str]
    """Formats a value for the axis."""
    logarithmic: bool = False
    share: Line | None = None

    def draw(self, at: Scale, top: float, second: float) -> Iterator[str]:
        """Draw the chart from `top` down. `second` is the number of seconds between two values."""
        bottom = top + self.height
        marks = self._marks()
        up = Scale(marks[0], marks[-1], bottom, top, self.logarithmic)
        for mark in marks:
            yield stroke(f"M{at.start:.1f} {up(mark):.1f}H{at.end:.1f}", "grid")
            yield text(at.start - 8, up(mark) + 4, self.show(mark), "tick end")
        if self.share is not None:
            yield from self._bars(self.share, at, bottom, second)
        for each in self.lines:
            for stretch in split_at_gaps(each.values):
                points = [(at((place + 0.5) * second), up(value)) for place, value in stretch]
                if each.filled:
                    yield stroke(area(points, bottom), f"area {each.colour}")
                yield stroke(line(points), f"line {each.colour}")
        yield text(at.start, top - 10, self.title, "title")
        yield from legend({each.name: each.colour for each in self._all()}, at.end, top - 10)

    def _all(self) -> list[Line]:
        return [*self.lines, *([self.share] if self.share else [])]

    def _marks(self) -> list[float]:
        highest = max((value for each in self.lines for value in each.values if value is not None), default=0.0)
        return (
            decades(1, max(highest, 10)) if self.logarithmic else ticks(max(highest, 1), max(int(self.height / 32), 2))
        )

    def _bars(self, share: Line, at: Scale, bottom: float, second: float) -> Iterator[str]:
        width = at(second) - at(0)
        for place, value in enumerate(share.values):
            if value:
                yield box(
                    at(place * second),
                    bottom - value * self.height,
                    width,
                    value * self.height,
                    f"share {share.colour}",
                )


def legend(names: Mapping[str, str], right: float, y: float) -> Iterator[str]:
    """Draw the names with their colours, ending at `right`."""
    x = right
    for name, colour in reversed(list(names.items())):
        x -= len(name) * CHARACTER_WIDTH
        yield text(x, y, name, "label")
        x -= SWATCH
        yield box(x, y - 8, 9, 9, f"bar {colour}", round_by=2)
        x -= SWATCH
