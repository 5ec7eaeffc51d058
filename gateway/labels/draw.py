"""The pictures of labels: `draw_label` for a product, `draw_photo` for any picture."""

import datetime
import hashlib
import io
from decimal import Decimal
from typing import Final

from PIL import Image, ImageDraw

from firmware_tools.language import Message, message
from gateway.errors import FieldError
from gateway.labels.boxes import MIN_FONT_SIZE, BarCodeBox, Box, PhotoBox, PriceBox, QrCodeBox, RectangleBox, TextBox
from gateway.labels.codes import QR_QUIET_ZONE, encode_bars, encode_qr
from gateway.labels.content import DATE_FIELDS, PRICE_FIELDS, STORED_PRICES, ProductContent
from gateway.labels.fonts import Fonts
from gateway.labels.layout import LINE_HEIGHT, PlacedBox
from gateway.labels.models import LabelModel
from gateway.labels.photo import BLACK, RED, WHITE, dither_photo, make_canvas
from gateway.labels.picture import DrawingReport, LabelNotDrawable, LabelPicture, ReportCode
from gateway.labels.price import WrittenPrice, check_price, write_price
from gateway.labels.price_layout import fit_price
from gateway.labels.template import PictureTemplate
from gateway.labels.text import (
    MAX_SHOWN_LENGTH,
    Space,
    clean_text,
    compute_pitch,
    draw_line,
    fit_text,
    measure,
    measure_block,
)

_MAX_MISSING_SIGNS: Final = 10
_MODULE_MASK: Final = [0, *[255] * 255]
"""Makes an opaque mask of modules that are 0 or 1."""
_TEXT_MARGIN: Final = 4
"""Pixels at both sides of a number that is written in place of bars."""
_BLACK_AND_WHITE: Final = {"white": WHITE, "black": BLACK, "red": BLACK}
_WITH_RED: Final = {"white": WHITE, "black": BLACK, "red": RED}


def draw_label(template: PictureTemplate, model: LabelModel, content: ProductContent, fonts: Fonts) -> LabelPicture:
    """Draw the label of a product.

    Raises `TemplateDoesNotFit` if the template is not made for the model, and `LabelNotDrawable` if a price is missing,
    is none, or has no room, or if a code would have bars of less than a pixel.
    """
    layout = template.find_layout(model)
    for name in STORED_PRICES:
        price = getattr(content, name)
        if price is not None:
            check_price(name, price)
    drawing = _Drawing(template, model, content, fonts)
    for placed in layout.boxes:
        drawing.draw(placed)
    return _finish(drawing.image, model, drawing.reports)


def draw_photo(photo: bytes, model: LabelModel) -> LabelPicture:
    """Return a picture as a label shows it: made smaller to fit, and dithered. Raises `LabelNotDrawable`."""
    dithered = dither_photo(photo, model.width, model.height, has_red=model.has_red)
    if dithered is None:
        raise LabelNotDrawable([FieldError("picture", message("is no readable JPEG or PNG, or too large"))])
    image = make_canvas(model.width, model.height, has_red=model.has_red)
    image.paste(dithered, ((model.width - dithered.width) // 2, (model.height - dithered.height) // 2))
    return _finish(image, model, [])


def _finish(image: Image.Image, model: LabelModel, reports: list[DrawingReport]) -> LabelPicture:
    file = io.BytesIO()
    image.save(file, "PNG", bits=2 if model.has_red else 1)
    pixels = hashlib.sha256(f"{model.size} ".encode() + image.tobytes())
    return LabelPicture(model.name, file.getvalue(), pixels.hexdigest(), tuple(reports))


class _Drawing:
    """One picture while it is drawn."""

    def __init__(self, template: PictureTemplate, model: LabelModel, content: ProductContent, fonts: Fonts) -> None:
        self.image = make_canvas(model.width, model.height, has_red=model.has_red)
        self.reports: list[DrawingReport] = []
        self._template = template
        self._model = model
        self._content = content
        self._fonts = fonts
        self._colors = _WITH_RED if model.has_red else _BLACK_AND_WHITE
        self._draw = ImageDraw.Draw(self.image)
        self._draw.fontmode = "1"

    def draw(self, placed: PlacedBox) -> None:
        box = placed.box
        if not self._is_shown(box):
            return
        match box:
            case TextBox():
                self._draw_text_box(placed, box)
            case PriceBox():
                self._draw_price(placed, box)
            case BarCodeBox():
                self._draw_bar_code(placed, box)
            case QrCodeBox():
                self._draw_qr_code(placed, box)
            case PhotoBox():
                self._draw_photo(placed, box)
            case RectangleBox():
                self._draw_rectangle(placed, box)

    def _is_shown(self, box: Box) -> bool:
        has = self._content.find
        return all(has(name) is not None for name in box.shown_if) and all(has(name) is None for name in box.hidden_if)

    def _report(self, code: ReportCode, placed: PlacedBox, text: Message) -> None:
        self.reports.append(DrawingReport(code, placed.name, text))

    def _refuse(self, placed: PlacedBox, reason: str) -> LabelNotDrawable:
        return LabelNotDrawable([FieldError(f"{self._template.name}: {placed.name}", reason)])

    # Texts

    def _draw_text_box(self, placed: PlacedBox, box: TextBox) -> None:
        parts = [piece.words or self._write_field(placed, piece.field) for piece in box.pieces]
        text = clean_text("".join(parts))
        if not all(parts) or not text:
            return
        self._fill(placed, box.background)
        space = Space(
            placed.width - 2 * box.padding,
            placed.height - 2 * box.padding,
            box.font_size,
            box.min_font_size,
            box.lines,
            box.wrap_below or 0,
            box.bold,
        )
        self._draw_text(
            placed, text, space, self._colors[box.color], align=box.align, valign=box.valign, strike=box.strike
        )

    def _write_field(self, placed: PlacedBox, field: str) -> str:
        value = self._content.find(field)
        if value is None:
            return ""
        if field in PRICE_FIELDS and isinstance(value, Decimal):
            return self._write_price(placed, value).text
        if field in DATE_FIELDS and isinstance(value, datetime.date):
            style = self._template.date_format.replace("%Y", f"{value.year:04}")
            return style.replace("%m", f"{value.month:02}").replace("%d", f"{value.day:02}")
        return str(value)

    def _draw_text(
        self, placed: PlacedBox, text: str, space: Space, color: int, *, align: str, valign: str, strike: bool = False
    ) -> None:
        fonts = self._fonts
        fitted = fit_text(text, fonts, space)
        if fitted.is_shortened or len(text) > MAX_SHOWN_LENGTH:
            what = message("the text has no room in {box} and is shortened: {text}", box=placed.name, text=text[:200])
            self._report(ReportCode.TEXT_SHORTENED, placed, what)
        if not fitted.lines:
            return
        self._report_missing_signs(placed, "".join(fitted.lines))
        block = measure_block(fonts, fitted, bold=space.bold)
        y = self._align_rows(placed, space, block.bottom - block.top, valign) - block.top
        for line in fitted.lines:
            ink = measure(fonts, line, fitted.size, bold=space.bold)
            x = self._align_columns(placed, space, ink.right - ink.left, align) - ink.left
            draw_line(self._draw, (x, y), line, fonts, fitted.size, color=color, bold=space.bold)
            if strike:
                self._strike(
                    x + ink.left, x + ink.right, y + fonts.measure(fitted.size)[0] * 2 // 5, fitted.size, color
                )
            y += compute_pitch(fonts, fitted.size)

    @staticmethod
    def _align_columns(placed: PlacedBox, space: Space, width: int, align: str) -> int:
        spare = space.width - width
        padding = (placed.width - space.width) // 2
        return placed.left + padding + {"left": 0, "center": spare // 2, "right": spare}[align]

    @staticmethod
    def _align_rows(placed: PlacedBox, space: Space, height: int, valign: str) -> int:
        spare = space.height - height
        padding = (placed.height - space.height) // 2
        return placed.top + padding + {"top": 0, "middle": spare // 2, "bottom": spare}[valign]

    def _strike(self, left: int, right: int, middle: int, size: int, color: int) -> None:
        thickness = max(1, size // 12)
        top = middle - thickness // 2
        self._draw.rectangle((left, top, right - 1, top + thickness - 1), fill=color)

    def _report_missing_signs(self, placed: PlacedBox, text: str) -> None:
        missing = [sign for sign in dict.fromkeys(text) if not self._fonts.has(sign)]
        for sign in missing[:_MAX_MISSING_SIGNS]:
            what = message(
                "the font {font} has no sign {sign} (U+{number:04X})",
                font=self._fonts.name,
                sign=sign,
                number=ord(sign),
            )
            self._report(ReportCode.SIGN_MISSING, placed, what)

    def _fill(self, placed: PlacedBox, color: str | None) -> None:
        if color is not None:
            corners = (placed.left, placed.top, placed.right - 1, placed.bottom - 1)
            self._draw.rectangle(corners, fill=self._colors[color])

    # Prices

    def _write_price(self, placed: PlacedBox, value: Decimal) -> WrittenPrice:
        price = write_price(value, self._template.price_format)
        if price.is_rounded:
            what = message("{price} is shown as {shown}", price=str(value)[:40], shown=price.text)
            self._report(ReportCode.PRICE_ROUNDED, placed, what)
        return price

    def _draw_price(self, placed: PlacedBox, box: PriceBox) -> None:
        value = self._content.find(box.field)
        if not isinstance(value, Decimal):
            if box.required:
                field = "price" if box.field == "selling_price" else box.field
                raise LabelNotDrawable([FieldError(field, message("is required"))])
            return
        price = self._write_price(placed, value)
        space = Space(
            placed.width - 2 * box.padding,
            placed.height - 2 * box.padding,
            box.font_size,
            box.min_font_size,
            bold=box.bold,
        )
        fitted = fit_price(price, self._fonts, space, raised=box.cents == "raised")
        if fitted is None:
            raise self._refuse(placed, message("the price {price} has no room", price=price.text))
        self._fill(placed, box.background)
        self._report_missing_signs(placed, price.text)
        ink, color = fitted.ink, self._colors[box.color]
        x = self._align_columns(placed, space, ink.right - ink.left, box.align) - ink.left
        y = self._align_rows(placed, space, ink.bottom - ink.top, box.valign) - ink.top
        for part in fitted.parts:
            draw_line(
                self._draw, (x + part.x, y + part.y), part.text, self._fonts, part.size, color=color, bold=box.bold
            )
        if box.strike:
            self._strike(x + ink.left, x + ink.right, y + (ink.top + ink.bottom) // 2, ink.bottom - ink.top, color)

    # Codes

    def _draw_bar_code(self, placed: PlacedBox, box: BarCodeBox) -> None:
        text = str(self._content.find(box.field) or "").strip()
        if not text:
            return
        bars = encode_bars(text, box.symbology)
        if bars is None:
            what = message("{text} is no valid bar code, and is written as text", text=clean_text(text)[:100])
            self._report(ReportCode.BAR_CODE_INVALID, placed, what)
            space = Space(placed.width - 2 * _TEXT_MARGIN, placed.height, box.font_size, MIN_FONT_SIZE)
            self._draw_text(placed, clean_text(text), space, BLACK, align=box.align, valign="middle")
            return
        module = placed.width // bars.width
        if module < 1:
            has, needed = placed.width, bars.width
            what = message("the bar code needs {needed} pixels, and there are {pixels}", needed=needed, pixels=has)
            self._leave_out_code(placed, box, what)
            return
        text_height = round(LINE_HEIGHT * box.font_size) if box.show_text else 0
        left = self._align_columns(placed, Space(placed.width, 0, 0, 0), module * bars.width, box.align)
        self._fill(placed, "white")
        self._paste_modules(
            [bars.modules], left + module * bars.left_quiet_zone, placed.top, module, placed.height - text_height
        )
        if box.show_text:
            below = PlacedBox(placed.name, box, left, placed.bottom - text_height, module * bars.width, text_height)
            space = Space(below.width, below.height, box.font_size, MIN_FONT_SIZE)
            self._draw_text(below, text, space, BLACK, align="center", valign="bottom")

    def _draw_qr_code(self, placed: PlacedBox, box: QrCodeBox) -> None:
        text = self._content.find(box.field)
        if not isinstance(text, str):
            return
        rows = encode_qr(text, box.error_correction)
        side = min(placed.width, placed.height)
        module = side // (len(rows) + 2 * QR_QUIET_ZONE) if rows else 0
        if not rows or module < 1:
            what = message("the QR code of {count} characters has no room", count=len(text))
            self._leave_out_code(placed, box, what)
            return
        used = module * len(rows)
        left, top = placed.left + (placed.width - used) // 2, placed.top + (placed.height - used) // 2
        self._fill(placed, "white")
        self._paste_modules(rows, left, top, module, used)

    def _leave_out_code(self, placed: PlacedBox, box: BarCodeBox | QrCodeBox, reason: Message) -> None:
        if box.required:
            raise self._refuse(placed, reason)
        self._report(ReportCode.CODE_LEFT_OUT, placed, reason)

    def _paste_modules(self, rows: list[bytes], left: int, top: int, module: int, height: int) -> None:
        """Draw black modules in whole pixels: rows of bytes, 1 for black, as high together as `height`."""
        width = len(rows[0])
        modules = Image.frombytes("L", (width, len(rows)), b"".join(rows)).point(_MODULE_MASK)
        mask = modules.resize((width * module, height), Image.Resampling.NEAREST)
        self.image.paste(BLACK, (left, top), mask)

    # Pictures

    def _draw_photo(self, placed: PlacedBox, box: PhotoBox) -> None:
        photo = self._content.photos.get(box.photo)
        if photo is None:
            return
        dithered = dither_photo(photo, placed.width, placed.height, has_red=self._model.has_red)
        if dithered is None:
            what = message("the photo {photo} is no readable JPEG or PNG, or too large", photo=box.photo)
            self._report(ReportCode.PHOTO_UNREADABLE, placed, what)
            return
        left = placed.left + (placed.width - dithered.width) // 2
        self.image.paste(dithered, (left, placed.top + (placed.height - dithered.height) // 2))

    def _draw_rectangle(self, placed: PlacedBox, box: RectangleBox) -> None:
        corners = (placed.left, placed.top, placed.right - 1, placed.bottom - 1)
        color = self._colors[box.color]
        if box.border:
            self._draw.rectangle(corners, outline=color, width=box.border)
        else:
            self._draw.rectangle(corners, fill=color)
