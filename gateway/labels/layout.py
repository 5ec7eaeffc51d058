"""Boxes of a template at their places on one model of label, and whether they can be drawn there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from firmware_tools.language import message
from gateway.labels.boxes import BarCodeBox, Box, PhotoBox, PriceBox, QrCodeBox, RectangleBox, TextBox
from gateway.labels.models import LabelModel

MIN_BAR_HEIGHT: Final = 10
"""A scanner's line is hard to hold on lower bars."""
MIN_EAN_WIDTH: Final = 11 + 95 + 7
"""Quiet zone, bars and quiet zone of an EAN-13 whose bars are one pixel wide."""
MIN_CODE_128_WIDTH: Final = 10 + 11 + 11 + 11 + 13 + 10
"""Quiet zone, start, one sign, check sign, stop and quiet zone."""
MIN_QR_SIDE: Final = 4 + 21 + 4
"""Quiet zone, the smallest QR code and quiet zone."""
LINE_HEIGHT: Final = 1.25
"""Height of a line in sizes of its signs."""


@dataclass(frozen=True, slots=True)
class PlacedBox:
    """A box of a template on a label."""

    name: str
    """The name of the box."""
    box: Box
    """What it shows."""
    left: int
    """Pixels from the left edge."""
    top: int
    """Pixels from the top edge."""
    width: int
    """In pixels."""
    height: int
    """In pixels."""

    @property
    def right(self) -> int:
        """The first pixel to the right of it."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """The first pixel below it."""
        return self.top + self.height

    def overlaps(self, other: "PlacedBox") -> bool:
        """Tell whether two boxes share a pixel."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


@dataclass(frozen=True, slots=True)
class Layout:
    """A template for one model of label."""

    model: LabelModel
    """The model."""
    boxes: tuple[PlacedBox, ...]
    """Its boxes, in the order in which they are drawn."""


class FitError(NamedTuple):
    """Why a box cannot be drawn on a label."""

    box: str
    """The name of the box."""
    key: str
    """The key of the box that is wrong."""
    reason: str
    """What is wrong with it."""


def place_box(name: str, box: Box, model: LabelModel) -> PlacedBox:
    """Return a box at its place."""
    return PlacedBox(
        name,
        box,
        box.x.resolve(model.width),
        box.y.resolve(model.height),
        box.width.resolve(model.width),
        box.height.resolve(model.height),
    )


def find_fit_errors(placed: Sequence[PlacedBox], model: LabelModel) -> Iterator[FitError]:
    """Yield why boxes cannot be drawn on a label."""
    for number, one in enumerate(placed):
        if not one.width or not one.height:
            yield FitError(one.name, "height" if one.width else "width", message("is less than a pixel"))
        if one.right > model.width:
            yield FitError(one.name, "width", _say_outside(one.right, model.width))
        if one.bottom > model.height:
            yield FitError(one.name, "height", _say_outside(one.bottom, model.height))
        yield from _find_size_errors(one)
        if isinstance(one.box, BarCodeBox | QrCodeBox):
            yield from _find_overlaps(one, placed[:number], placed[number + 1 :])


def _find_overlaps(code: PlacedBox, earlier: Sequence[PlacedBox], later: Sequence[PlacedBox]) -> Iterator[FitError]:
    """Yield the boxes that take the quiet zone of a code, or that its white ground hides in part."""
    foreground = [one for one in earlier if not isinstance(one.box, BarCodeBox | QrCodeBox | RectangleBox | PhotoBox)]
    for other in (*foreground, *later):
        if code.overlaps(other) and not _exclude_each_other(code.box, other.box):
            yield FitError(code.name, "x", message("overlaps {box}: a code stands alone", box=other.name))


def _find_size_errors(one: PlacedBox) -> Iterator[FitError]:
    needed = _compute_needed_size(one.box)
    for key, has, needs in (("width", one.width, needed[0]), ("height", one.height, needed[1])):
        if has < needs:
            reason = message("is too small: {needed} pixels are needed, and it has {pixels}", needed=needs, pixels=has)
            yield FitError(one.name, key, reason)


def _compute_needed_size(box: Box) -> tuple[int, int]:
    """Return the smallest width and height in which a box can show anything."""
    match box:
        case BarCodeBox():
            text = round(LINE_HEIGHT * box.font_size) if box.show_text else 0
            width = MIN_CODE_128_WIDTH if box.symbology == "code128" else MIN_EAN_WIDTH
            return width, MIN_BAR_HEIGHT + text
        case QrCodeBox():
            return MIN_QR_SIDE, MIN_QR_SIDE
        case TextBox() | PriceBox():
            return 2 * box.padding + box.min_font_size, 2 * box.padding + round(LINE_HEIGHT * box.min_font_size)
    return 1, 1


def _exclude_each_other(one: Box, other: Box) -> bool:
    return bool(_list_needed_fields(one) & {*other.hidden_if} or _list_needed_fields(other) & {*one.hidden_if})


def _list_needed_fields(box: Box) -> set[str]:
    """Return the fields without which a box stays empty."""
    needed = {*box.shown_if}
    match box:
        case TextBox():
            needed |= {piece.field for piece in box.pieces if piece.field}
        case PriceBox() | BarCodeBox() | QrCodeBox():
            needed.add(box.field)
    return needed


def _say_outside(edge: int, limit: int) -> str:
    return message("reaches to pixel {edge}, and the label has {limit}", edge=edge, limit=limit)
