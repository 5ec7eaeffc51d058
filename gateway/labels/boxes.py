"""The boxes of a label template: what each kind shows, and the keys that a template file gives it."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from firmware_tools.language import message
from gateway.labels.content import FIELDS, MORE_PREFIX, PRICE_FIELDS, TEXT_FIELDS

MAX_PIXELS: Final = 2000
"""No length is larger."""
MAX_TEXT_LENGTH: Final = 200
"""How many characters a text of a template may have."""
MIN_FONT_SIZE: Final = 8
"""Smaller signs cannot be read in black and white."""
MAX_FONT_SIZE: Final = 300
"""Larger signs fit no label."""
MAX_LINES: Final = 12
"""How many lines a text may have."""
MAX_FIELDS: Final = 8
"""How many fields a condition may name."""

_PERCENT: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?) ?%", re.ASCII)
_MORE_NAME: Final = re.compile(r"[\w-]{1,40}")
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")


class Length(NamedTuple):
    """A place or a size: pixels, or per cent of the label's width or height."""

    value: float
    """How many."""
    is_percent: bool
    """Whether they are per cent."""

    def resolve(self, side: int) -> int:
        """Return whole pixels, for a label whose width or height is `side`."""
        return int(side * self.value / 100) if self.is_percent else int(self.value)


def _parse_length(value: Any) -> Length:
    if isinstance(value, str):
        found = _PERCENT.fullmatch(value.strip())
        if found is not None and float(found[1]) <= 100:
            return Length(float(found[1]), is_percent=True)
        value = int(value) if value.isascii() and value.isdecimal() and len(value) < 6 else value
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_PIXELS:
        return Length(int(value), is_percent=False)
    raise ValueError(message('must be pixels from 0 to {limit}, or per cent as in "50%"', limit=MAX_PIXELS))


def _parse_field(value: Any) -> str:
    if isinstance(value, str):
        name = value.strip()
        more = name.removeprefix(MORE_PREFIX)
        if name in FIELDS or (more != name and _MORE_NAME.fullmatch(more)):
            return name
    raise ValueError(message("{field} is not a field of a product", field=str(value)[:40]))


def _parse_fields(value: Any) -> list[str]:
    names = value if isinstance(value, list) else [value]
    return [_parse_field(name) for name in names[: MAX_FIELDS + 1]]


def _check_text_field(field: str) -> None:
    if field not in TEXT_FIELDS and not field.startswith(MORE_PREFIX):
        raise ValueError(message("{field} is not a text", field=field))


FieldName = Annotated[str, BeforeValidator(_parse_field)]
FieldNames = Annotated[tuple[str, ...], Field(max_length=MAX_FIELDS), BeforeValidator(_parse_fields)]
Color = Annotated[
    Literal["black", "white", "red"], BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
]
Distance = Annotated[Length, BeforeValidator(_parse_length)]
FontSize = Annotated[int, Field(ge=MIN_FONT_SIZE, le=MAX_FONT_SIZE)]


class TextPiece(NamedTuple):
    """A part of a text: words, or a field."""

    words: str
    """What is written as it is; empty for a field."""
    field: str
    """The field whose value is written; empty for words."""


def parse_text(text: str) -> tuple[TextPiece, ...]:
    """Return the pieces of a text such as `{brand} {name}`. Raises `ValueError` for an unknown field."""
    return tuple(_split_text(text))


def _split_text(text: str) -> Iterator[TextPiece]:
    for number, part in enumerate(_PLACEHOLDER.split(text)):
        if number % 2:
            yield TextPiece("", _parse_field(part))
        elif part:
            yield TextPiece(part, "")


class _Box(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    x: Distance
    """Left edge."""
    y: Distance
    """Top edge."""
    width: Distance
    """Width."""
    height: Distance
    """Height."""
    shown_if: FieldNames = ()
    """It is drawn only if the product has a value for all these."""
    hidden_if: FieldNames = ()
    """It is not drawn if the product has a value for one of these."""
    hidden: bool = False
    """Whether this layout leaves it out."""


class _WrittenBox(_Box):
    font_size: FontSize
    """Size of the signs in pixels, where they have room."""
    min_font_size: FontSize = MIN_FONT_SIZE
    """The smallest size to which they shrink."""
    align: Literal["left", "center", "right"] = "left"
    """Where in the box, from left to right."""
    valign: Literal["top", "middle", "bottom"] = "middle"
    """Where in the box, from top to bottom."""
    color: Color = Field(default="black", validation_alias=AliasChoices("color", "colour"))
    """Colour of the signs; black where the label has no red."""
    background: Color | None = None
    """Colour of the whole box; None leaves what is there."""
    padding: int = Field(default=0, ge=0, le=50)
    """Pixels that stay empty at each edge."""
    bold: bool = False
    """Whether the strokes are thicker."""
    strike: bool = False
    """Whether a line is drawn through it."""

    @model_validator(mode="after")
    def _check_sizes(self) -> "_WrittenBox":
        if self.min_font_size > self.font_size:
            raise ValueError(message("min_font_size is larger than font_size"))
        return self


class TextBox(_WrittenBox):
    """Words and fields of the product. It is drawn only if the product has a value for each field in it."""

    kind: Literal["text"]
    """Which kind of box this is."""
    text: str = Field(default="", max_length=MAX_TEXT_LENGTH)
    """What to write; a field's name in braces stands for its value, as in `{spec}`."""
    field: FieldName | None = None
    """In place of `text`, one field."""
    lines: int = Field(default=1, ge=1, le=MAX_LINES)
    """How many lines it may take."""
    wrap_below: FontSize | None = None
    """It is wrapped where it would have to be smaller than this in one line; without it, than `min_font_size`."""

    @property
    def pieces(self) -> tuple[TextPiece, ...]:
        """What the text is made of."""
        return parse_text(self.text) if self.field is None else (TextPiece("", self.field),)

    @model_validator(mode="after")
    def _check_text(self) -> "TextBox":
        if bool(self.text) == (self.field is not None):
            raise ValueError(message("needs text or field, and not both"))
        parse_text(self.text)
        return self


class PriceBox(_WrittenBox):
    """A price with its currency sign, as large as it fits. A label is refused rather than cut a price."""

    kind: Literal["price"]
    """Which kind of box this is."""
    field: FieldName = "selling_price"
    """Which price."""
    cents: Literal["raised", "plain"] = "raised"
    """Whether the digits after the point are small and raised."""
    required: bool = False
    """Whether a product without this price is refused; else the box stays empty."""

    @model_validator(mode="after")
    def _check_field(self) -> "PriceBox":
        if self.field not in PRICE_FIELDS:
            raise ValueError(message("{field} is not a price", field=self.field))
        return self


class BarCodeBox(_Box):
    """A bar code in whole pixels, black on white with its quiet zone, as wide as it fits."""

    kind: Literal["bar_code"]
    """Which kind of box this is."""
    field: FieldName = "bar_code"
    """What it says."""
    required: bool = True
    """Whether a product is refused whose code has no room here; else the box stays empty, which is reported."""
    symbology: Literal["auto", "ean13", "code128"] = "auto"
    """`auto` takes EAN for 8, 12 and 13 digits and Code 128 for anything else."""
    show_text: bool = True
    """Whether what it says is written below it."""
    font_size: FontSize = 12
    """Size of that text."""
    align: Literal["left", "center", "right"] = "center"
    """Where in the box."""

    @model_validator(mode="after")
    def _check_field(self) -> "BarCodeBox":
        _check_text_field(self.field)
        return self


class QrCodeBox(_Box):
    """A QR code in whole pixels, black on white with its quiet zone."""

    kind: Literal["qr_code"]
    """Which kind of box this is."""
    field: FieldName = "qr_code"
    """What it says."""
    required: bool = True
    """Whether a product is refused whose code has no room here; else the box stays empty, which is reported."""
    error_correction: Literal["l", "m", "q", "h"] = "m"
    """How much of it may be damaged; more needs more room."""

    @model_validator(mode="after")
    def _check_field(self) -> "QrCodeBox":
        _check_text_field(self.field)
        return self


class PhotoBox(_Box):
    """A photo, made smaller to fit and dithered to the colours of the label."""

    kind: Literal["photo"]
    """Which kind of box this is."""
    photo: str = Field(default="photo", min_length=1, max_length=40)
    """Which of the product's photos."""


class RectangleBox(_Box):
    """A filled area, or with a border the frame of one. One that is a pixel high or wide is a line."""

    kind: Literal["rectangle"]
    """Which kind of box this is."""
    color: Color = Field(default="black", validation_alias=AliasChoices("color", "colour"))
    """Its colour; black where the label has no red."""
    border: int = Field(default=0, ge=0, le=50)
    """Width of the frame in pixels; 0 fills the area."""


Box = Annotated[TextBox | PriceBox | BarCodeBox | QrCodeBox | PhotoBox | RectangleBox, Field(discriminator="kind")]
"""A box of any kind."""
