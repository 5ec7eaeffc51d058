"""What the cells of an Excel workbook show: numbers, dates and codes by their number formats (ECMA-376, 18.8.30)."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Final

from firmware_tools.list_rows import NumberText

ShowNumber = Callable[[str], str]
"""Makes the text of a cell of the digits in the file. Raises ValueError."""

SHORTENED_FROM: Final = 10**15
"""From here on a workbook does not hold all digits of a number."""
_EXACT_CHARACTERS: Final = 15
_DATE_FORMATS: Final = frozenset((*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)))
"""Numbers of the formats that need no declaration and are dates or times."""
_KNOWN_FORMATS: Final = {2: "0.00", 4: "#,##0.00", 7: "0.00", 8: "0.00", 39: "0.00", 40: "0.00", 44: "0.00"}
_NO_PATTERN: Final = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]')
"""What stands in a format for itself, and conditions, colours and currencies."""
_DATE_SIGNS: Final = re.compile(r"[dmyhs]", re.IGNORECASE)
_ZEROS: Final = re.compile(r"0{2,20}")
_DECIMALS: Final = re.compile(r"[0#]\.(0[0#]+)(?![0#])")


def make_formats(codes: Mapping[int, str], styles: Sequence[int], *, is_1904: bool) -> list[ShowNumber]:
    """Return how each style shows a number. Styles name a format by its number; the file declares codes of some."""
    made = {number: _make_format(number, codes, is_1904=is_1904) for number in set(styles)}
    return [made[number] for number in styles]


def _make_format(number: int, codes: Mapping[int, str], *, is_1904: bool) -> ShowNumber:
    pattern = _NO_PATTERN.sub("", codes.get(number) or _KNOWN_FORMATS.get(number, "")).partition(";")[0].strip()
    if number in _DATE_FORMATS or (number not in _KNOWN_FORMATS and _DATE_SIGNS.search(pattern.replace("General", ""))):
        return lambda raw: _show_time(raw, is_1904=is_1904)
    if _ZEROS.fullmatch(pattern):
        return lambda raw: _show_code(raw, len(pattern))
    if "%" not in pattern and (decimals := _DECIMALS.search(pattern)):
        return lambda raw: _show_rounded(raw, len(decimals[1]))
    return show_number


def show_number(raw: str) -> str:
    """Return a number in plain digits, as exact as Excel shows it: 15 of them."""
    if len(raw) <= _EXACT_CHARACTERS and raw.isdecimal():
        return NumberText(raw)
    value = float(raw)
    if abs(value) >= SHORTENED_FROM:
        return f"{value:.2E}"
    return NumberText(f"{Decimal(f'{value:.15g}'):f}")


def _show_code(raw: str, length: int) -> str:
    """Return a number whose format gives it leading zeros: a code, which is text."""
    text = show_number(raw)
    return text.zfill(length) if text.isdecimal() else text


def _show_rounded(raw: str, decimals: int) -> str:
    text = show_number(raw)
    if not isinstance(text, NumberText) or len(text.partition(".")[2]) <= decimals:
        return text
    return NumberText(Decimal(text).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP))


def _show_time(raw: str, *, is_1904: bool) -> str:
    """Return a date, a time or both in ISO 8601; a number that is none as it is."""
    try:
        days = Decimal(raw)
        seconds = int((days * 86400).to_integral_value())
        if not 0 <= days < 3_000_000:
            return show_number(raw)
        if seconds < 86400:
            return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        start = datetime(1904, 1, 1) if is_1904 else datetime(1899, 12, 30)  # noqa: DTZ001  a workbook has no zones
        found = start + timedelta(seconds=seconds)
    except (InvalidOperation, OverflowError):
        return show_number(raw)
    return found.date().isoformat() if seconds % 86400 == 0 else found.isoformat(" ")
