"""The prices of a product over time as data for inline SVG: a price holds until the next one, so lines are steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from gateway.console.charts import HEIGHT, WIDTH, Label
from gateway.products.product_table import PriceEntry

LEFT: Final = 64
"""Where the lines begin: prices stand before them."""
_TOP: Final = 12
_BOTTOM: Final = 24
_RIGHT: Final = 8
_LINES: Final = 4


@dataclass(frozen=True, slots=True)
class PriceChart:
    """A chart of prices."""

    paths: Mapping[str, str]
    """The line of each price as an SVG path, by field."""
    lines: Sequence[Label]
    """The lines of the vertical axis."""
    begin: str
    """The day of the left edge, in UTC."""
    end: str
    """The day of the right edge, in UTC."""
    width: int = WIDTH
    """Its width in units of the drawing."""
    height: int = HEIGHT
    """Its height in units of the drawing."""


def draw_prices(entries: Sequence[PriceEntry], now: float) -> PriceChart | None:
    """Return a chart of prices, given newest first; None if none of them has changed yet."""
    oldest_first = sorted(entries, key=lambda entry: entry.time)
    values = [entry.value for entry in entries if entry.value is not None]
    if not values or oldest_first[0].time == oldest_first[-1].time:
        return None
    begin, end = oldest_first[0].time, max(oldest_first[-1].time, int(now))
    low, high = min(values), max(values)
    if low == high:
        low, high = max(low - 1, Decimal(0)), high + 1
    room = HEIGHT - _TOP - _BOTTOM

    def place_time(time: float) -> str:
        return f"{LEFT + (time - begin) / (end - begin) * (WIDTH - LEFT - _RIGHT):.1f}"

    def place_price(price: Decimal) -> float:
        return round(HEIGHT - _BOTTOM - float((price - low) / (high - low)) * room, 1)

    paths: dict[str, str] = {}
    is_drawn: dict[str, bool] = {}
    for entry in oldest_first:
        x = place_time(entry.time)
        step = f"H{x}" if is_drawn.get(entry.field) else ""
        is_drawn[entry.field] = entry.value is not None
        if entry.value is not None:
            step += f"V{place_price(entry.value)}" if step else f"M{x} {place_price(entry.value)}"
        paths[entry.field] = paths.get(entry.field, "") + step
    for field, is_open in is_drawn.items():
        if is_open:
            paths[field] += f"H{place_time(end)}"
    marks = [low + (high - low) * share / _LINES for share in range(_LINES + 1)]
    return PriceChart(
        paths=paths,
        lines=[Label(place_price(mark), f"{mark:.2f}") for mark in marks],
        begin=_write_day(begin),
        end=_write_day(end),
    )


def _write_day(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d")
