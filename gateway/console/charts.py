"""Bar charts as data for inline SVG: the page needs no script for them, and shows the numbers as a table too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

WIDTH: Final = 480
HEIGHT: Final = 200
_TOP: Final = 12
_BOTTOM: Final = 22
_LEFT: Final = 36
_GAP: Final = 0.2
"""The share of a column that stays empty."""
_MAX_LABELS: Final = 8
_MAX_COLUMNS: Final = 400


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle of a chart."""

    x: float
    """Its left edge."""
    y: float
    """Its upper edge."""
    width: float
    """Its width."""
    height: float
    """Its height."""
    series: str
    """The series to which it belongs."""


@dataclass(frozen=True, slots=True)
class Label:
    """A text on an axis."""

    position: float
    """Where it is: its x on the horizontal axis, its y on the vertical one."""
    text: str
    """What it says."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of stacked columns."""

    bars: Sequence[Bar]
    """The rectangles."""
    columns: Sequence[Label]
    """The labels of the horizontal axis."""
    lines: Sequence[Label]
    """The lines of the vertical axis."""
    width: int = WIDTH
    """Its width in units of the drawing."""
    height: int = HEIGHT
    """Its height in units of the drawing."""


def stack(rows: Sequence[Mapping[str, Any]], series: Sequence[str], label: str, *, beside: bool = False) -> Chart:
    """Return a chart with a column for each row, made of the numbers of some members; `label` names the column.

    With `beside` they stand beside each other, to be compared, and not on one another.
    """
    rows = rows[:_MAX_COLUMNS]
    numbers = [[_count(row.get(name)) for name in series] for row in rows]
    step = _choose_step(max((max(column) if beside else sum(column) for column in numbers), default=0))
    top = step * 4
    room = HEIGHT - _TOP - _BOTTOM
    slot = (WIDTH - _LEFT) / max(1, len(rows))
    bars, labels = [], []
    every = -(-len(rows) // _MAX_LABELS) or 1
    for index, (row, column) in enumerate(zip(rows, numbers, strict=True)):
        x, y = _LEFT + index * slot, float(HEIGHT - _BOTTOM)
        left, width = x + slot * _GAP / 2, slot * (1 - _GAP) / (len(series) if beside else 1)
        for name, number in zip(series, column, strict=True):
            height = number / top * room
            y = HEIGHT - _BOTTOM - height if beside else y - height
            if number:
                bars.append(Bar(round(left, 1), round(y, 1), round(width, 1), round(height, 1), name))
            left += width if beside else 0
        if index % every == 0:
            labels.append(Label(round(x + slot / 2, 1), str(row.get(label, ""))))
    lines = [Label(round(HEIGHT - _BOTTOM - room * share / 4, 1), _shorten(step * share)) for share in range(5)]
    return Chart(bars, labels, lines)


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _shorten(number: int) -> str:
    """Return a number as short as its axis has room for: 1500 as 1.5k."""
    for size, unit in ((1_000, "k"), (1_000_000, "M")):
        if size <= number < size * 1000:
            return f"{number / size:g}{unit}"
    return str(number)


def _choose_step(highest: int) -> int:
    """Return the distance of four lines that reach the highest number: 1, 2 or 5 times a power of ten."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if power * factor * 4 >= highest:
                return power * factor
        power *= 10
