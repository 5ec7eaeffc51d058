"""Parameters of a vendor endpoint as typed data, and the text that a value becomes on the wire."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Final, Literal

from gateway.errors import Fault
from gateway.protocol import json_text

ParameterType = Literal["string", "int", "number", "array", "object", "file"]
Format = Literal["date", "timestamp"]

LARGEST: Final = 10**18
"""What every number is below; the vendor says of none how large it may be."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_NUMBER = re.compile(r"-?[0-9]{1,19}(\.[0-9]{1,19})?([eE][+-]?[0-9]{1,2})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_JSON_KINDS = {
    bool: "a boolean",
    str: "a string",
    int: "a number",
    Decimal: "a number",
    list: "an array",
    dict: "an object",
}


class InvalidValue(ValueError):
    """A value does not fit its parameter; the text is the reason, and `inside` the place within the value."""

    def __init__(self, reason: str, inside: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.inside = inside


@dataclass(frozen=True, slots=True)
class Choice:
    """One value that the vendor documents for a parameter, and what it means."""

    value: int | str
    meaning: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that one label model can show: size in pixels and colours."""

    model: str
    width: int
    height: int
    colours: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file as a caller handed it over."""

    filename: str
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of an endpoint, or one property of an item in a list.

    `required` means that the vendor demands it, even where the gateway fills it in. `one_of` names a group of which at
    least one member must be given. `min` and `max` bound the number, `min_length` and `max_length` count characters,
    `max_bytes` bytes of a file. `blank` admits the empty string beside what the lengths allow. `open` choices are
    documented but not enforced, because the vendor adds values. `replaces` names a required parameter that this one
    stands in for. `items` is the type of an array's elements, `properties` the known members of each element: others
    pass through, because the vendor says that there will be more.
    """

    name: str
    type: ParameterType
    description: str = ""
    required: bool = False
    one_of: str = ""
    replaces: str = ""
    min: int | None = None
    max: int | None = None
    min_length: int | None = None
    max_length: int | None = None
    max_bytes: int | None = None
    blank: bool = False
    choices: tuple[Choice, ...] = ()
    open: bool = False
    default: int | str | None = None
    secret: bool = False
    format: Format | None = None
    items: Literal["string", "int", "object"] | None = None
    properties: tuple["Parameter", ...] = ()
    pictures: tuple[Picture, ...] = ()
    example: int | str | None = None
    _known: Mapping[str, "Parameter"] = field(init=False, repr=False, compare=False)
    _needed: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a declaration that contradicts itself."""
        object.__setattr__(self, "_known", {known.name: known for known in self.properties})
        object.__setattr__(self, "_needed", frozenset(known.name for known in self.properties if known.required))
        wanted = int if "int" in (self.type, self.items) else str
        problems = [
            (not _NAME.fullmatch(self.name), "is not a parameter name"),
            ((self.items is not None) != (self.type == "array"), "items belong to arrays, and every array has them"),
            (
                bool(self.properties) and self.items != "object" and self.type != "object",
                "properties belong to objects",
            ),
            (self._bounded_wrongly(), "min is above max"),
            (
                (self.min is not None or self.max is not None) and self.type not in ("int", "number"),
                "min and max are for numbers",
            ),
            (self.max_bytes is not None and self.type != "file", "max_bytes is for files"),
            (bool(self.pictures) and self.type != "file", "pictures are for files"),
            (bool(self.one_of) and self.required, "a member of a group cannot be required by itself"),
            (self.open and not self.choices, "open needs choices"),
            (
                any(type(choice.value) is not wanted for choice in self.choices),
                "choices of another type",
            ),
        ]
        for wrong, reason in problems:
            if wrong:
                raise ValueError(f"parameter {self.name!r}: {reason}")
        if self.default is not None:
            self.encode(self.default)

    def _bounded_wrongly(self) -> bool:
        pairs = ((self.min, self.max), (self.min_length, self.max_length))
        return any(low is not None and high is not None and low > high for low, high in pairs)

    def encode(self, value: Any) -> str:
        """Return the text that is signed and sent for a JSON value, or for the text of one. Raises `InvalidValue`."""
        match self.type:
            case "string":
                return self._string(value)
            case "int" | "number":
                return self._number(value)
            case "array" | "object":
                return self._structure(value)
            case "file":
                raise InvalidValue("must be a file: send the call as multipart/form-data")

    def _string(self, value: Any) -> str:
        if not isinstance(value, str):
            raise InvalidValue(f"must be a string, not {_kind(value)}")
        if not _is_unicode(value):
            raise InvalidValue("must be valid Unicode")
        if value == "" and (self.blank or not self.required):
            return value
        low = self.min_length if self.min_length is not None else (1 if self.required else 0)
        high = self.max_length
        if len(value) < low or (high is not None and len(value) > high):
            raise InvalidValue(
                f"must have {_range(low, high)} characters{' or be blank' if self.blank else ''}, not {len(value)}"
            )
        if self.format == "date":
            parse_date(value)
        self._check_choice(value)
        return value

    def _number(self, value: Any) -> str:
        number, text = _parse_number(value, whole=self.type == "int")
        self._check_range(number, text)
        if self.type == "int":
            self._check_choice(int(number))
        return text

    def _check_range(self, number: int | Decimal, text: str) -> None:
        if (self.min is not None and number < self.min) or (self.max is not None and number > self.max):
            raise InvalidValue(f"must be {_range(self.min, self.max)}, not {text}")

    def _structure(self, value: Any) -> str:
        try:
            return json_text.dumps(self._parsed(value))
        except RecursionError as exc:
            raise InvalidValue("is nested too deeply") from exc
        except UnicodeEncodeError as exc:
            raise InvalidValue("must be valid Unicode") from exc

    def _parsed(self, value: Any) -> Any:
        """Return an array or object that was checked, parsing its text if that is given."""
        if isinstance(value, str):
            try:
                value = json_text.loads(value)
            except ValueError as exc:
                raise InvalidValue("must be valid JSON text") from exc
        wanted: type = list if self.type == "array" else dict
        if not isinstance(value, wanted):
            raise InvalidValue(f"must be {_JSON_KINDS[wanted]}, not {_kind(value)}")
        if isinstance(value, list):
            self._check_items(value)
        return value

    def _check_items(self, elements: Sequence[Any]) -> None:
        if self.required and not elements:
            raise InvalidValue("must not be empty")
        for index, element in enumerate(elements):
            try:
                self._check_item(element)
            except InvalidValue as exc:
                raise InvalidValue(exc.reason, f"[{index}]{exc.inside}") from exc

    def _check_item(self, element: Any) -> None:
        if self.items == "object":
            if not isinstance(element, dict):
                raise InvalidValue(f"must be an object, not {_kind(element)}")
            self._check_properties(element)
        elif self.items == "int":
            number, _ = _parse_number(element, whole=True)
            self._check_choice(int(number))
        elif type(element) not in (str, int) or element == "":
            raise InvalidValue("must be a string that is not empty")

    def _check_properties(self, element: Mapping[str, Any]) -> None:
        # The vendor's own samples send empty strings for absent values.
        for name in self._needed:
            if element.get(name) in (None, ""):
                raise InvalidValue("is required", f".{name}")
        for name, value in element.items():
            known = self._known.get(name)
            if known is None or value is None or value == "":
                continue
            try:
                known._check(value)
            except InvalidValue as exc:
                raise InvalidValue(exc.reason, f".{name}{exc.inside}") from exc

    def _check(self, value: Any) -> None:
        """Check a member of an object, which is sent as it is."""
        if self.type in ("array", "object"):
            self._parsed(value)
        elif self.type == "number" and isinstance(value, Decimal):
            if not -LARGEST < value < LARGEST:
                raise InvalidValue("must have at most 18 digits before the point")
            self._check_range(value, str(value))
        else:
            # The vendor's samples send numbers for identifiers, and text for numbers.
            self.encode(str(value) if self.type == "string" and type(value) is int else value)

    def _check_choice(self, value: int | str) -> None:
        if self.choices and not self.open and all(choice.value != value for choice in self.choices):
            allowed = ", ".join(f"{choice.value} ({choice.meaning})" for choice in self.choices)
            raise InvalidValue(f"must be one of {allowed}")

    def check_file(self, part: FilePart) -> None:
        """Check a file against the parameter's limits, but for its size. Raises `InvalidValue`."""
        if not part.data:
            raise InvalidValue("is empty")
        if self.pictures:
            size = picture_size(part.data)
            if size is None:
                raise InvalidValue("is not a PNG, JPEG, GIF or BMP picture")
            if all((picture.width, picture.height) != size for picture in self.pictures):
                known = ", ".join(f"{picture.model} {picture.width} x {picture.height}" for picture in self.pictures)
                raise InvalidValue(f"is {size[0]} x {size[1]} pixels, which no label shows ({known})")

    def describe(self) -> dict[str, Any]:
        """Return the parameter as JSON, leaving out what is not set."""
        described: dict[str, Any] = {"name": self.name, "type": self.type, "required": self.required}
        if self.choices:
            described["choices"] = [choice.value for choice in self.choices]
            described["choice_meanings"] = {str(choice.value): choice.meaning for choice in self.choices}
        for name in _DESCRIBED:
            value = getattr(self, name)
            if value is not None and value is not False and value != "":
                described[name] = value
        if self.properties:
            described["properties"] = [known.describe() for known in self.properties]
        if self.pictures:
            described["pictures"] = [
                {"model": one.model, "width": one.width, "height": one.height, "colours": list(one.colours)}
                for one in self.pictures
            ]
        return described


_DESCRIBED = (
    "description", "one_of", "replaces", "min", "max", "min_length", "max_length", "max_bytes", "blank", "open",
    "default", "secret", "format", "items", "example",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Span:
    """A limit across two parameters: the time from `start` to `end` is at most `most` units.

    In `seconds` the parameters are Unix timestamps, otherwise dates (YYYY-MM-DD).
    """

    start: str
    end: str
    most: int
    unit: Literal["seconds", "hours", "days", "weeks", "months"]

    def check(self, fields: Mapping[str, str]) -> Fault | None:
        """Return what is wrong with the encoded parameters, if anything."""
        if self.start not in fields or self.end not in fields:
            return None
        if self.unit == "seconds":
            backwards = int(fields[self.end]) < int(fields[self.start])
            too_long = int(fields[self.end]) - int(fields[self.start]) > self.most
        else:
            first, last = parse_date(fields[self.start]), parse_date(fields[self.end])
            backwards, too_long = last < first, self._exceeds(first, last)
        if backwards:
            return Fault(self.end, f"must not be before {self.start}")
        return Fault(self.end, f"must be at most {self.most} {self.unit} after {self.start}") if too_long else None

    def _exceeds(self, first: date, last: date) -> bool:
        if self.unit == "months":
            months = (last.year - first.year) * 12 + last.month - first.month
            return months > self.most or (months == self.most and last.day > first.day)
        return (last - first).days > self.most * {"hours": 1 / 24, "days": 1, "weeks": 7}[self.unit]

    def describe(self) -> dict[str, Any]:
        """Return the limit as JSON."""
        return {"start": self.start, "end": self.end, "most": self.most, "unit": self.unit}


def parse_date(text: str) -> date:
    """Parse YYYY-MM-DD. Raises `InvalidValue`."""
    try:
        if not _DATE.fullmatch(text):  # fromisoformat takes week dates as well
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError as exc:
        raise InvalidValue("must be a date, YYYY-MM-DD") from exc


def picture_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height in pixels of a PNG, GIF, BMP or JPEG picture, or None for anything else."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 24:
        return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    if data.startswith((b"GIF87a", b"GIF89a")) and len(data) >= 10:
        return int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    if data.startswith(b"BM") and len(data) >= 26:
        width = int.from_bytes(data[18:22], "little", signed=True)
        return width, abs(int.from_bytes(data[22:26], "little", signed=True))
    return _jpeg_size(data) if data.startswith(b"\xff\xd8") else None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    position = 2
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # the frame headers
            height, width = data[position + 5 : position + 7], data[position + 7 : position + 9]
            return int.from_bytes(width), int.from_bytes(height)
        position += 2 + length
    return None


def _parse_number(value: Any, *, whole: bool) -> tuple[int | Decimal, str]:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise InvalidValue(f"must be {'an integer' if whole else 'a number'}, not {_kind(value)}")
    text = str(value) if not isinstance(value, int) or abs(value) < 10**19 else "?"  # huge integers have no cheap text
    if whole:
        if not _INTEGER.fullmatch(text):
            raise InvalidValue("must be an integer")
        return int(text), text
    if not _NUMBER.fullmatch(text):
        raise InvalidValue("must be a number")
    return Decimal(text), text


def _range(low: int | None, high: int | None) -> str:
    if high is None:
        return f"at least {low}"
    return f"at most {high}" if low is None or low == 0 else f"{low} to {high}"


def _kind(value: Any) -> str:
    return "null" if value is None else _JSON_KINDS.get(type(value), "something else")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, from a \ud800 in JSON
        return False
    return True
