"""Numbers as people write them in lists: the column tells whether a comma or a point stands before decimals."""

import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from firmware_tools.language import message
from firmware_tools.list_rows import NumberText
from gateway.protocol.values import InvalidValue


class DecimalMark(StrEnum):
    """What stands before the decimals of a number."""

    POINT = "point"
    COMMA = "comma"


class AmbiguousNumbers(ValueError):
    """The numbers of a column can be read in two ways."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        """Which number of which row, and what to do."""


_CURRENCY: Final = re.compile(
    r"(?:RMB|CNY|USD|EUR|GBP|HKD|JPY|TWD|SGD|CHF|PLN|KR|HK\$|NT\$|元|圆|[$¢£¤¥€₩₹₽₫฿₺₴₦])", re.IGNORECASE
)
_GROUP_MARKS: Final = " '\u2019"
"""What else may stand between thousands: never before decimals. Spaces of all kinds have become plain ones."""
_AMBIGUOUS: Final = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")
_NUMBERS: Final = {
    mark: re.compile(
        rf"(?P<sign>[-+]?)(?P<whole>\d+|[1-9]\d{{0,2}}(?:(?P<group>[{other}{_GROUP_MARKS}])\d{{3}})(?:(?P=group)\d{{3}})*)?"
        rf"(?:{re.escape(decimal)}(?P<fraction>\d*))?",
        re.ASCII,
    )
    for mark, decimal, other in ((DecimalMark.POINT, ".", ","), (DecimalMark.COMMA, ",", "."))
}
_MAX_CHARACTERS: Final = 40


class _Seen(NamedTuple):
    """A number that tells something."""

    row: int
    text: str


def read_number(text: str, mark: DecimalMark) -> Decimal:
    """Read a number with thousands separators and a currency. Raises `InvalidValue`."""
    if isinstance(text, NumberText):
        return Decimal(text)
    bare = _strip_currency(text)
    found = _NUMBERS[mark].fullmatch(bare) if len(bare) <= _MAX_CHARACTERS else None
    if found is None or not (found["whole"] or found["fraction"]):
        raise InvalidValue(message("must be a number"))
    whole = re.sub(r"\D", "", found["whole"] or "0")
    return Decimal(f"{found['sign']}{whole}.{found['fraction'] or '0'}")


def recognise_mark(cells: Iterable[tuple[int, str]]) -> DecimalMark | None:
    """Return what stands before decimals in a column of rows and texts; None if nothing tells, and nothing needs it.

    Raises `AmbiguousNumbers` if a number can be read in two ways and no other tells how, or if two contradict each
    other.
    """
    seen: dict[DecimalMark, _Seen] = {}
    known: set[str] = set()
    ambiguous: _Seen | None = None
    for row, text in cells:
        if text in known or text.isdecimal() or isinstance(text, NumberText):
            continue
        known.add(text)
        bare = _strip_currency(text).lstrip("+-")
        if _AMBIGUOUS.fullmatch(bare):
            ambiguous = ambiguous or _Seen(row, text)
        elif mark := _recognise_one(bare):
            seen.setdefault(mark, _Seen(row, text))
    if len(seen) > 1:
        first, second = sorted(seen.values())
        raise AmbiguousNumbers(
            message(
                "row {row} has {first} and row {other} has {second}: say whether a point or a comma separates decimals",
                row=first.row,
                first=first.text,
                other=second.row,
                second=second.text,
            )
        )
    if seen:
        return next(iter(seen))
    if ambiguous:
        raise AmbiguousNumbers(
            message(
                "{text} in row {row} can be read in two ways: say whether a point or a comma separates decimals",
                text=ambiguous.text,
                row=ambiguous.row,
            )
        )
    return None


def _recognise_one(bare: str) -> DecimalMark | None:
    """Return what a number that can be read in one way tells; None for one without marks, and for what is none."""
    fitting = [mark for mark, pattern in _NUMBERS.items() if pattern.fullmatch(bare)]
    return fitting[0] if len(fitting) == 1 else None


def _strip_currency(text: str) -> str:
    """Return a number without currency and spaces around it, with plain digits and spaces."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    text = text.strip()
    if text[:1].isdecimal() and text[-1:].isdecimal():
        return text
    sign = text[:1] if text[:1] in "+-" and text[:1] else ""
    bare = text.removeprefix(sign).strip()
    bare = _CURRENCY.sub("", bare, count=1).strip() if _CURRENCY.match(bare) or _ends_with_currency(bare) else bare
    return sign + bare


def _ends_with_currency(text: str) -> bool:
    found = list(_CURRENCY.finditer(text))
    return bool(found) and found[-1].end() == len(text) and len(found) == 1
