"""Lists of products as JSON: an array of objects, read one after the other."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from firmware_tools.errors import InvalidInput
from firmware_tools.language import describe_error, message
from firmware_tools.list_file import ListFile
from firmware_tools.list_rows import MAX_COLUMNS, ListFormat, ListRow, NumberText
from firmware_tools.text_decoding import recognise_encoding
from gateway.protocol import json_text

JSON_LIST: Final = "JSON"
"""The name of this kind of file, in place of an encoding."""

_BEGINNING: Final = re.compile(r"\s*[\[{]")
_WRAPPED: Final = re.compile(r'\s*\{\s*"(?:product_list|products)"\s*:\s*(?=\[)')
"""An object whose first member is the list."""
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_PIECE_CHARACTERS: Final = 1 << 20
_MAX_EXPONENT: Final = 30


def is_json(data: bytes) -> bool:
    """Tell whether a file is JSON, and no text with separators."""
    return (
        _BEGINNING.match(
            data[:1000].decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace")
        )
        is not None
    )


def open_json(data: bytes, name: str, max_rows: int) -> ListFile:
    """Open a list: an array, or an object whose first member `product_list` or `products` is one.

    Elements are counted from 1 as rows are. Raises `InvalidInput` if it is no such list.
    """
    rows: list[list[Any]] = []
    places: dict[str, int] = {}
    try:
        for element in _read_elements(data, name):
            if not isinstance(element, dict):
                raise InvalidInput(message("{name}: element {number} is no object", name=name, number=len(rows) + 1))
            for key in [key for key in element if key not in places]:
                places[key] = len(places)
            cells: list[Any] = [None] * len(places)
            for key, value in element.items():
                cells[places[key]] = _make_cell(value)
            rows.append(cells)
            if len(places) > MAX_COLUMNS or len(rows) > max_rows:
                break
    except (ValueError, RecursionError, InvalidOperation) as exc:
        reason = message("it is nested too deeply") if isinstance(exc, RecursionError) else describe_error(exc)
        raise InvalidInput(
            message("{name}: this is no JSON that can be read ({reason})", name=name, reason=reason)
        ) from exc
    if len(places) > MAX_COLUMNS:
        raise InvalidInput(message("{name}: its objects have more than {max} members", name=name, max=MAX_COLUMNS))
    if not rows:
        raise InvalidInput(message("{name}: the list is empty", name=name))
    return ListFile(ListFormat(JSON_LIST), ListRow(0, 0, list(places)), (), _make_rows(rows, len(places)))


def _read_elements(data: bytes, name: str) -> Iterator[Any]:
    file = recognise_encoding(data, name).open(data)
    text = "".join(iter(lambda: file.read(_PIECE_CHARACTERS), ""))
    wrapped = _WRAPPED.match(text)
    place = wrapped.end() if wrapped else _skip_space(text, 0)
    if text[place : place + 1] != "[":
        raise ValueError(message("a list is needed: an array of objects"))
    place = _skip_space(text, place + 1)
    while text[place : place + 1] != "]":
        element, place = json_text.PLAIN_DECODER.raw_decode(text, place)
        yield element
        place = _skip_space(text, place)
        if text[place : place + 1] == ",":
            place = _skip_space(text, place + 1)
        elif text[place : place + 1] != "]":
            raise json.JSONDecodeError("Expecting ',' delimiter", text, place)


def _skip_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _make_rows(rows: list[list[Any]], width: int) -> Iterator[ListRow]:
    for number, cells in enumerate(rows, 1):
        yield ListRow(number, number, cells + [None] * (width - len(cells)))


def _make_cell(value: Any) -> Any:
    match value:
        case str():
            return value.strip()
        case bool():
            return value
        case int():
            return NumberText(value)
        case Decimal() if value.is_finite() and abs(value.adjusted()) <= _MAX_EXPONENT:
            return NumberText(f"{value:f}")
        case Decimal():
            return str(value)
        case _:
            return value
