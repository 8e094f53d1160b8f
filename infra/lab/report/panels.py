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

    def draw(self, x_scale: Scale, top: float, step_s: float) -> Iterator[str]:
        """Draw the chart from `top` down. `step_s` is the number of seconds between two values."""
        bottom = top + self.height
        marks = self._marks()
        y_scale = Scale(marks[0], marks[-1], bottom, top, self.logarithmic)
        for mark in marks:
            yield stroke(f"M{x_scale.start:.1f} {y_scale(mark):.1f}H{x_scale.end:.1f}", "grid")
            yield text(x_scale.start - 8, y_scale(mark) + 4, self.show(mark), "tick end")
        if self.share is not None:
            yield from self._bars(self.share, x_scale, bottom, step_s)
        for each in self.lines:
            for segment in split_at_gaps(each.values):
                points = [(x_scale((index + 0.5) * step_s), y_scale(value)) for index, value in segment]
                if each.filled:
                    yield stroke(area(points, bottom), f"area {each.colour}")
                yield stroke(line(points), f"line {each.colour}")
        yield text(x_scale.start, top - 10, self.title, "title")
        yield from legend({each.name: each.colour for each in self._all()}, x_scale.end, top - 10)

    def _all(self) -> list[Line]:
        return [*self.lines, *([self.share] if self.share else [])]

    def _marks(self) -> list[float]:
        highest = max((value for each in self.lines for value in each.values if value is not None), default=0.0)
        return (
            decades(1, max(highest, 10)) if self.logarithmic else ticks(max(highest, 1), max(int(self.height / 32), 2))
        )

    def _bars(self, share: Line, x_scale: Scale, bottom: float, step_s: float) -> Iterator[str]:
        width = x_scale(step_s) - x_scale(0)
        for index, value in enumerate(share.values):
            if value:
                yield box(
                    x_scale(index * step_s),
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
