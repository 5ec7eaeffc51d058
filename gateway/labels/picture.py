"""What drawing a label results in."""

from dataclasses import dataclass
from enum import StrEnum

from firmware_tools.language import Message
from gateway.errors import InvalidRequest


class ReportCode(StrEnum):
    """What is not as the template wants it."""

    TEXT_SHORTENED = "text_shortened"
    """A text does not fit its box even in the smallest size. It ends with an ellipsis."""
    SIGN_MISSING = "sign_missing"
    """The font lacks a sign. The font's own replacement, often a box, stands in its place."""
    BAR_CODE_INVALID = "bar_code_invalid"
    """The number cannot be a bar code, as with a wrong check digit. It is drawn as text."""
    CODE_LEFT_OUT = "code_left_out"
    """A code would have bars of less than a pixel, and its box is not required. The box is empty."""
    PRICE_ROUNDED = "price_rounded"
    """A price has more digits after the point than are shown."""
    PHOTO_UNREADABLE = "photo_unreadable"
    """A photo is damaged, of another format, or too large. Its box is empty."""


@dataclass(frozen=True, slots=True)
class DrawingReport:
    """One thing that a person should know about a picture. The picture can be shown all the same."""

    code: ReportCode
    """What kind of thing it is."""
    box: str
    """The box of the template."""
    message: Message
    """What happened, in one sentence."""


@dataclass(frozen=True, slots=True)
class LabelPicture:
    """A finished picture."""

    model: str
    """The model of label that it is for."""
    png: bytes
    """The picture as PNG, in exactly the size and colours of the model."""
    pixel_hash: str
    """SHA-256 of the pixels in hexadecimal. Pictures that look the same have the same hash, however they are packed."""
    reports: tuple[DrawingReport, ...]
    """What a person should know, in the order of the boxes."""


class LabelNotDrawable(InvalidRequest):
    """A product cannot be shown by a template: its price is missing or has no room, or a bar code cannot be read.

    The field errors name the box or the product's field.
    """
