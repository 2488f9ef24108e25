"""The geometry of the usage charts: shares of the width in per cent, heights in pixels, drawn as inline SVG.

Text stands outside the drawing, so that it keeps its size on every screen.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HEIGHT = 180
GAP = 0.25  # of the space of a bar
WIDEST = 5.0  # bar, in per cent of the width: a few days need no walls
LEAST_TOP = 4  # so that a single image looks like little
MOST_STEPS = 5
MOST_DATES = 7
# In per cent of the width: so near to the end, a text in the middle of its bar would run out of the drawing.
EDGE = 5


@dataclass(frozen=True)
class Piece:
    """A rectangle, or a part of a stack, with the series that it belongs to; y counts from the top."""

    series: str
    y: float
    height: float


@dataclass(frozen=True)
class Bar:
    """What is drawn at one place of the horizontal axis; `value` is where it ends on the vertical one."""

    x: float
    width: float
    value: int
    pieces: tuple[Piece, ...]

    @property
    def y(self) -> float:
        """Where it ends, from the top."""
        return min(piece.y for piece in self.pieces)

    @property
    def anchor(self) -> str:
        """How a text of this bar is aligned: start, middle or end."""
        middle = self.x + self.width / 2
        return "start" if middle < EDGE else "end" if middle > 100 - EDGE else "middle"

    @property
    def text_x(self) -> float:
        """Where a text of this bar is anchored."""
        return self.x + self.width * {"start": 0, "middle": 0.5, "end": 1}[self.anchor]


@dataclass(frozen=True)
class Chart:
    """Bars, and the numbers along the vertical axis from the top down."""

    bars: tuple[Bar, ...]
    scale: tuple[int, ...]
    height: int = HEIGHT

    @property
    def lines(self) -> list[float]:
        """Where the horizontal lines run, from the top down."""
        steps = len(self.scale) - 1
        return [round(self.height * step / steps, 1) for step in range(steps + 1)]

    @property
    def peak(self) -> Bar | None:
        """The highest bar, the first of several; None if nothing is drawn."""
        return max((bar for bar in self.bars if bar.pieces), key=lambda bar: bar.value, default=None)

    @property
    def dated(self) -> range:
        """Which bars have their dates below: the last one, and others at equal distances before it."""
        count = len(self.bars)
        step = math.ceil(count / MOST_DATES)
        return range((count - 1) % step, count, step)


def stacked(rows: Sequence[Mapping[str, int]], series: Sequence[str]) -> Chart:
    """Stack the counts of each row, the first series at the bottom."""
    totals = [sum(row[name] for name in series) for row in rows]
    numbers = scale(max(totals, default=0))
    bars = []
    for place, (row, total) in enumerate(zip(rows, totals, strict=True)):
        pieces, y = [], float(HEIGHT)
        for name in series:
            height = row[name] / numbers[0] * HEIGHT
            y -= height
            if height:
                pieces.append(Piece(name, round(y, 1), round(height, 1)))
        bars.append(_bar(place, len(rows), total, pieces))
    return Chart(tuple(bars), numbers)


def ranges(rows: Sequence[tuple[int | None, int | None]]) -> Chart:
    """Draw the span of each row from its first to its second number; rows without numbers stay empty."""
    numbers = scale(max((high for _, high in rows if high is not None), default=0))
    top = numbers[0]
    bars = []
    for place, (low, high) in enumerate(rows):
        pieces = []
        if low is not None and high is not None:
            y, height = HEIGHT - high / top * HEIGHT, (high - low) / top * HEIGHT
            pieces = [Piece("range", round(y, 1), round(height, 1)), Piece("middle", round(y + height, 1), 0)]
        bars.append(_bar(place, len(rows), high or 0, pieces))
    return Chart(tuple(bars), numbers)


def scale(value: float) -> tuple[int, ...]:
    """Return the numbers of an axis that reaches `value`, from the top to 0, in steps of 1, 2, 5, 10 ..."""
    value, power = max(value, LEAST_TOP), 1
    while True:
        for step in (power, 2 * power, 5 * power):
            if value <= MOST_STEPS * step:
                return tuple(range(math.ceil(value / step) * step, -1, -step))
        power *= 10


def _bar(place: int, places: int, value: int, pieces: Sequence[Piece]) -> Bar:
    space = 100 / places
    width = min((1 - GAP) * space, WIDEST)
    x = (place + 0.5) * space - width / 2
    return Bar(round(x, 2), round(width, 2), value, tuple(pieces))
