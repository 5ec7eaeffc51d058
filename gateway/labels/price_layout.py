"""Where the parts of a price stand: the sign of the currency small, the cents small and raised."""

from typing import Final, NamedTuple

from gateway.labels.fonts import Fonts
from gateway.labels.price import WrittenPrice
from gateway.labels.text import Ink, Space, measure, measure_tight

SMALL: Final = 0.5
"""Size of raised cents and of the currency's sign beside them, in sizes of the whole digits."""
MIN_SMALL_SIZE: Final = 10
"""They are no smaller than this, where the whole digits are not smaller either."""


class PricePart(NamedTuple):
    """Signs of one size."""

    text: str
    """The signs."""
    size: int
    """Their size in pixels."""
    x: int
    """Where their baseline begins, from where that of the price does."""
    y: int
    """Pixels between the baselines; negative for raised signs."""


class FittedPrice(NamedTuple):
    """A price in the size in which it fits."""

    parts: tuple[PricePart, ...]
    """Its parts from left to right."""
    ink: Ink
    """The pixels that they cover together."""


def fit_price(price: WrittenPrice, fonts: Fonts, space: Space, *, raised: bool) -> FittedPrice | None:
    """Return a price in the largest size in which it fits its space; None if it does not fit in the smallest."""
    size = space.max_size
    while size >= space.min_size:
        fitted = _lay_out(price, fonts, size, raised=raised, bold=space.bold)
        width, height = fitted.ink.right - fitted.ink.left, fitted.ink.bottom - fitted.ink.top
        if width <= space.width and height <= space.height:
            return fitted
        size = min(size - 1, int(size * min(space.width / width, space.height / height)) + 1)
    return None


def _lay_out(price: WrittenPrice, fonts: Fonts, size: int, *, raised: bool, bold: bool) -> FittedPrice:
    small = min(size, max(MIN_SMALL_SIZE, round(size * SMALL))) if raised else size
    digit_top = measure(fonts, "0", size, bold=bold).top
    lift = digit_top - measure(fonts, "0", small, bold=bold).top
    whole = [(price.whole + price.point, size, 0), (price.fraction, small, lift)]
    if small == size:
        whole = [(price.whole + price.point + price.fraction, size, 0)]
    currency = [(price.currency, small, 0)]
    gap = max(1, size // 16)
    parts: list[PricePart] = []
    inks: list[Ink] = []
    edge = 0
    for text, part_size, y in whole + currency if price.is_currency_last else currency + whole:
        if not text:
            continue
        ink = measure_tight(fonts, text, part_size, bold=bold)
        x = edge - ink.left
        parts.append(PricePart(text, part_size, x, y))
        inks.append(Ink(edge, ink.top + y, x + ink.right, ink.bottom + y))
        edge = x + ink.right + gap
    together = Ink(0, min(ink.top for ink in inks), inks[-1].right, max(ink.bottom for ink in inks))
    return FittedPrice(tuple(parts), together)
