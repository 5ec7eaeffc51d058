"""Texts that fit their boxes: smaller, then in several lines, then shortened with an ellipsis. Nothing is cut."""

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from PIL import ImageDraw

from gateway.labels.fonts import Fonts

ELLIPSIS: Final = "…"
"""What stands for the rest of a text that was shortened."""
MAX_SHOWN_LENGTH: Final = 1000
"""No label has room for more characters."""

_STROKE_SIZE: Final = 40
"""From this size on, bold signs are drawn with thicker strokes; smaller ones twice, a pixel apart."""
_ESTIMATE_SIZE: Final = 32
"""In this size a text's area is estimated, so that sizes which cannot fit need not be tried."""
_ESTIMATE_MARGIN: Final = 0.9
"""Rounded to pixels, signs may be narrower than estimated."""
_FIRST_IDEOGRAPH: Final = 0x2E80
_NOT_FIRST: Final = frozenset("，。、；：？！）》」』】〉”\u2019…·,.;:?!)]}%℃ー々~\uff5e")
_NOT_LAST: Final = frozenset("（《「『【〈“\u2018([{¥$€£")
_MAX_MEASURED: Final = 2048
"""How many lines are remembered: fitting, aligning and drawing ask for the same ones."""
_LINE_BREAK: Final = re.compile(r"\r\n|[\n\r\v\f\x85\u2028\u2029]")


class Ink(NamedTuple):
    """The pixels that a text covers, from where its baseline begins."""

    left: int
    """The first column."""
    top: int
    """The first row; rows above the baseline are negative."""
    right: int
    """The column behind the last one."""
    bottom: int
    """The row below the last one."""


class FittedText(NamedTuple):
    """A text in lines and the size in which it fits."""

    lines: tuple[str, ...]
    """The lines."""
    size: int
    """Size of the signs in pixels."""
    is_shortened: bool
    """Whether a part of the text is missing."""


class Space(NamedTuple):
    """What a text may take."""

    width: int
    """In pixels."""
    height: int
    """In pixels."""
    max_size: int
    """The size it has where there is room."""
    min_size: int
    """The smallest size."""
    lines: int = 1
    """How many lines."""
    wrap_below: int = 0
    """In one line it is no smaller than this, if it may take several."""
    bold: bool = False
    """Whether its strokes are thicker."""


def clean_text(text: str) -> str:
    """Return a text without what has no shape: control characters, marks of direction, halves of surrogates."""
    text = _LINE_BREAK.sub("\n", text[: MAX_SHOWN_LENGTH + 1])
    if text.isascii() and text.isprintable():
        return text.strip()
    return "".join(_clean(unicodedata.normalize("NFC", text.replace("\t", " ")))).strip()


def _clean(text: str) -> Iterator[str]:
    for sign in text:
        category = unicodedata.category(sign)
        if category == "Cs":
            yield "\ufffd"
        elif sign == "\n" or not (category in ("Cc", "Cf") or "\ufe00" <= sign <= "\ufe0f"):
            yield sign


@functools.lru_cache(maxsize=_MAX_MEASURED)
def measure(fonts: Fonts, text: str, size: int, *, bold: bool = False) -> Ink:
    """Return the pixels that one line covers."""
    stroke, shift = _choose_strokes(size, bold=bold)
    left, top, right, bottom = fonts.at(size).getbbox(text, mode="1", stroke_width=stroke, anchor="ls")
    return Ink(int(left // 1), int(top // 1), int(-(-right // 1)) + shift, int(-(-bottom // 1)))


def measure_tight(fonts: Fonts, text: str, size: int, *, bold: bool = False) -> Ink:
    """Return the pixels that one line covers, without the empty columns at its ends."""
    stroke, _ = _choose_strokes(size, bold=bold)
    ink = measure(fonts, text, size, bold=bold)
    left, right = fonts.bearings(text[0], size, stroke)[0], fonts.bearings(text[-1], size, stroke)[1]
    return ink._replace(left=ink.left + left, right=ink.right - right)


def draw_line(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, fonts: Fonts, size: int, *, color: int, bold: bool
) -> None:
    """Draw one line; `place` is where its baseline begins."""
    stroke, shift = _choose_strokes(size, bold=bold)
    x, y = place
    for offset in range(shift + 1):
        draw.text((x + offset, y), text, fill=color, font=fonts.at(size), anchor="ls", stroke_width=stroke)


def _choose_strokes(size: int, *, bold: bool) -> tuple[float, int]:
    if not bold:
        return 0, 0
    return (size / 40, 0) if size >= _STROKE_SIZE else (0, 1)


def compute_pitch(fonts: Fonts, size: int) -> int:
    """Return the distance of two baselines."""
    top, bottom = fonts.measure(size)
    return bottom - top + max(1, size // 8)


def measure_block(fonts: Fonts, text: FittedText, *, bold: bool) -> Ink:
    """Return the pixels that lines cover which begin below each other, from where the first baseline begins.

    They reach at least as far up and down as common signs do, so that lines of different words stand level.
    """
    top, bottom = fonts.measure(text.size)
    pitch = compute_pitch(fonts, text.size)
    inks = [measure(fonts, line, text.size, bold=bold) for line in text.lines]
    last = pitch * (len(inks) - 1)
    return Ink(
        0,
        min(top, *(ink.top + pitch * number for number, ink in enumerate(inks))),
        max(ink.right - ink.left for ink in inks),
        max(bottom + last, *(ink.bottom + pitch * number for number, ink in enumerate(inks))),
    )


def fit_text(text: str, fonts: Fonts, space: Space) -> FittedText:
    """Return a text in the largest size in which it fits its space; no lines if nothing of it fits."""
    max_size = min(space.max_size, _find_size_of_height(fonts, space))
    single = " ".join(text.split("\n"))
    floor = max(space.min_size, space.wrap_below if space.lines > 1 else 0)
    if "\n" not in text or space.lines == 1:
        fitted = _fit_single(single, fonts, space, max_size, floor)
        if fitted is not None:
            return fitted
    if space.lines > 1:
        advance = sum(fonts.advance(sign, _ESTIMATE_SIZE) for sign in text if sign != "\n") / _ESTIMATE_SIZE
        for size in range(max_size, space.min_size - 1, -1):
            lines = min(space.lines, max(1, int(space.height / size)))
            if _ESTIMATE_MARGIN * advance * size > lines * space.width:
                continue
            fitted = _wrap_to_fit(text, fonts, space, size)
            if fitted is not None:
                return fitted
    return _shorten(text if space.lines > 1 else single, fonts, space)


def _find_size_of_height(fonts: Fonts, space: Space) -> int:
    size = space.max_size
    while size > space.min_size:
        top, bottom = fonts.measure(size)
        if bottom - top <= space.height:
            break
        size = max(space.min_size, min(size - 1, size * space.height // (bottom - top)))
    return size


def _fits(fonts: Fonts, text: FittedText, space: Space) -> bool:
    ink = measure_block(fonts, text, bold=space.bold)
    return ink.right <= space.width and ink.bottom - ink.top <= space.height


def _fit_single(text: str, fonts: Fonts, space: Space, size: int, floor: int) -> FittedText | None:
    while size >= floor:
        ink = measure(fonts, text, size, bold=space.bold)
        width = ink.right - ink.left
        if width <= space.width:
            fitted = FittedText((text,), size, is_shortened=False)
            if _fits(fonts, fitted, space):
                return fitted
            size -= 1
        else:
            size = min(size - 1, size * space.width // width + 1)
    return None


def _count_lines(fonts: Fonts, space: Space, size: int) -> int:
    top, bottom = fonts.measure(size)
    return max(1, min(space.lines, 1 + (space.height - (bottom - top)) // compute_pitch(fonts, size)))


def _wrap_to_fit(text: str, fonts: Fonts, space: Space, size: int) -> FittedText | None:
    count = _count_lines(fonts, space, size)
    width = space.width
    for _ in range(3):
        lines = wrap(text, fonts, size, width)
        if len(lines) > count:
            return None
        fitted = FittedText(tuple(_avoid_short_end(lines, text, fonts, size, width)), size, is_shortened=False)
        if _fits(fonts, fitted, space):
            return fitted
        width -= 2
    return None


def _avoid_short_end(lines: list[str], text: str, fonts: Fonts, size: int, width: int) -> list[str]:
    """Return the lines, or as many narrower ones if the last is much shorter than the others."""
    if len(lines) > 1 and sum(fonts.advance(sign, size) for sign in lines[-1]) < width / 4:
        for share in (0.7, 0.8, 0.9):
            narrower = wrap(text, fonts, size, int(width * share))
            if len(narrower) == len(lines):
                return narrower
    return lines


def _shorten(text: str, fonts: Fonts, space: Space) -> FittedText:
    size = space.min_size
    count = _count_lines(fonts, space, size)
    whole: list[str] = []
    for narrower in range(0, 6, 2):  # strokes may reach farther than signs move each other
        whole = wrap(text, fonts, size, space.width - narrower)[:count]
        if _fits(fonts, FittedText(tuple(whole), size, is_shortened=True), space):
            break
    kept, rest = whole[:-1], "".join(whole[-1:])
    while True:
        fitted = FittedText((*kept, f"{rest}{ELLIPSIS}"), size, is_shortened=True)
        if _fits(fonts, fitted, space):
            return fitted
        if rest:
            rest = rest[:-1].rstrip()
        elif kept:
            rest = kept.pop()
        else:
            return FittedText((), size, is_shortened=True)


def wrap(text: str, fonts: Fonts, size: int, width: int) -> list[str]:
    """Return a text in lines that are as wide as `width` allows."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line, used = "", 0.0
        for atom in _split(paragraph):
            needed = sum(fonts.advance(sign, size) for sign in atom)
            if line and used + needed > width and not atom.isspace():
                lines.append(line.rstrip())
                line, used = "", 0.0
            if needed <= width:
                line, used = line + atom, used + needed
                continue
            for sign in atom:
                advance = fonts.advance(sign, size)
                if line and used + advance > width:
                    lines.append(line)
                    line, used = "", 0.0
                line, used = line + sign, used + advance
        lines.append(line.rstrip())
    return [line for line in lines if line] or [""]


def _split(text: str) -> Sequence[str]:
    """Return the parts of a text between which a line may end."""
    atoms: list[str] = []
    for sign in text:
        previous = atoms[-1] if atoms else ""
        if previous and _belong_together(previous[-1], sign):
            atoms[-1] = previous + sign
        else:
            atoms.append(sign)
    return atoms


def _belong_together(left: str, right: str) -> bool:
    if left.isspace() or right.isspace():
        return False
    if right in _NOT_FIRST or left in _NOT_LAST:
        return True
    return ord(left) < _FIRST_IDEOGRAPH and ord(right) < _FIRST_IDEOGRAPH and left not in "-/"
