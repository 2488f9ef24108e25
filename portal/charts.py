"""The geometry of the usage charts: shares of the width in per cent, heights in pixels, drawn as inline SVG.

Text stands outside the drawing, so that it keeps its size on every screen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HEIGHT = 180
STEPS = 4
GAP = 0.25  # of the space of a bar


@dataclass(frozen=True)
class Piece:
    """A rectangle, or a part of a stack, with the series that it belongs to; y counts from the top."""

    series: str
    y: float
    height: float


@dataclass(frozen=True)
class Bar:
    """What is drawn at one place of the horizontal axis."""

    x: float
    width: float
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Chart:
    """Bars, and the numbers along the vertical axis from the top down."""

    bars: tuple[Bar, ...]
    scale: tuple[float, ...]
    height: int = HEIGHT

    @property
    def lines(self) -> list[float]:
        """Where the horizontal lines run, from the top down."""
        return [self.height * step / STEPS for step in range(STEPS + 1)]


def stacked(rows: Sequence[Mapping[str, int]], series: Sequence[str]) -> Chart:
    """Stack the counts of each row, the first series at the bottom."""
    top = ceiling(max((sum(row[name] for name in series) for row in rows), default=0))
    bars = []
    for place, row in enumerate(rows):
        pieces, y = [], float(HEIGHT)
        for name in series:
            height = row[name] / top * HEIGHT
            y -= height
            if height:
                pieces.append(Piece(name, round(y, 1), round(height, 1)))
        bars.append(_bar(place, len(rows), pieces))
    return Chart(tuple(bars), _scale(top))


def ranges(rows: Sequence[tuple[int | None, int | None]]) -> Chart:
    """Draw the span of each row from its first to its second number; rows without numbers stay empty."""
    top = ceiling(max((high for _, high in rows if high is not None), default=0))
    bars = []
    for place, (low, high) in enumerate(rows):
        pieces = []
        if low is not None and high is not None:
            y, height = HEIGHT - high / top * HEIGHT, (high - low) / top * HEIGHT
            pieces = [Piece("range", round(y, 1), round(height, 1)), Piece("middle", round(y + height, 1), 0)]
        bars.append(_bar(place, len(rows), pieces))
    return Chart(tuple(bars), _scale(top))


def ceiling(value: float) -> int:
    """Return the least of 4, 8, 12, 20, 40, 80, 120, 200 ... not below `value`: all divide by STEPS."""
    power = 1
    while True:
        for factor in (4, 8, 12, 20):
            if factor * power >= value:
                return factor * power
        power *= 10


def _bar(place: int, places: int, pieces: Sequence[Piece]) -> Bar:
    space = 100 / places
    x = (place + GAP / 2) * space
    width = (1 - GAP) * space
    return Bar(round(x, 2), round(width, 2), tuple(pieces))


def _scale(top: int) -> tuple[float, ...]:
    return tuple(top * step / STEPS for step in range(STEPS, -1, -1))
