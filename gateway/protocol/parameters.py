"""Parameters of vendor endpoints as typed data, with the check and the encoding of their values."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

from firmware_tools.language import message
from gateway.protocol import json_text
from gateway.protocol.element_types import make_plain_decoder
from gateway.protocol.pictures import read_picture_size
from gateway.protocol.values import (
    JSON_TYPES,
    InvalidValue,
    check_line,
    describe_json_type,
    describe_range,
    is_unicode,
    parse_date,
    parse_number,
)
from gateway.protocol.wifi import check_ssid, check_wifi_password

ParameterType = Literal["string", "int", "number", "array", "object", "file"]
Format = Literal["date", "timestamp", "line", "ssid", "wifi_password"]

MAX_DECIMAL: Final = Decimal(10**18)
"""Decimal numbers inside a list are below this. The vendor states no bounds of its own."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TEXT_CHECKS: Final[Mapping[Format | None, Callable[[str], object]]] = {
    "date": parse_date,
    "line": check_line,
    "ssid": check_ssid,
    "wifi_password": check_wifi_password,
}
"""What raises `InvalidValue` for a string that is not of its format."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A value that the vendor documents for a parameter."""

    value: int | str
    """The value."""
    meaning: str
    """What it means."""


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """A picture that one model of shelf label can show."""

    model: str
    """The model of the label."""
    width: int
    """In pixels."""
    height: int
    """In pixels."""
    colours: tuple[str, ...]
    """The colours that the label shows."""


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file that a caller sent."""

    filename: str
    """Name as sent by the caller."""
    content_type: str
    """MIME type as sent by the caller."""
    data: bytes
    """The content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of an endpoint, or one member of an object in a list."""

    name: str
    """The vendor's name."""
    type: ParameterType
    """The JSON type, or `file`."""
    description: str = ""
    """Meaning and unit, for users."""
    required: bool = False
    """Whether the vendor demands it, even where the gateway fills it in."""
    one_of: str = ""
    """Name of a group: at least one member of the group must be given."""
    replaces: str = ""
    """Name of a required parameter that this one stands in for."""
    min: int | None = None
    """Smallest number."""
    max: int | None = None
    """Largest number."""
    min_length: int | None = None
    """Smallest number of characters."""
    max_length: int | None = None
    """Largest number of characters."""
    max_bytes: int | None = None
    """Largest size of a file."""
    allow_empty: bool = False
    """Whether an empty string is allowed whatever the lengths say."""
    choices: tuple[Choice, ...] = ()
    """The documented values."""
    open: bool = False
    """Whether other values than the choices pass: the vendor adds values."""
    default: int | str | None = None
    """What the vendor assumes if the parameter is missing."""
    secret: bool = False
    """Whether the value must not appear in logs or be stored."""
    format: Format | None = None
    """What a string or number stands for."""
    items: Literal["string", "int", "object"] | None = None
    """Type of an array's elements."""
    properties: tuple["Parameter", ...] = ()
    """Known members of an object. Others pass, because the vendor announces more."""
    picture_formats: tuple[PictureFormat, ...] = ()
    """The pictures that a file may hold; empty for any file."""
    example: int | str | None = None
    """A valid value, for documentation."""
    _known_properties: Mapping[str, "Parameter"] = field(init=False, repr=False, compare=False)
    _required_properties: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _plain_decoder: msgspec.json.Decoder[Any] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a declaration that contradicts itself."""
        object.__setattr__(self, "_known_properties", {known.name: known for known in self.properties})
        object.__setattr__(
            self, "_required_properties", tuple(known.name for known in self.properties if known.required)
        )
        choice_type = int if "int" in (self.type, self.items) else str
        bounds = ((self.min, self.max), (self.min_length, self.max_length))
        problems = [
            (not _NAME.fullmatch(self.name), "is not a parameter name"),
            ((self.items is not None) != (self.type == "array"), "items belong to arrays, and every array has them"),
            (
                bool(self.properties) and self.items != "object" and self.type != "object",
                "properties belong to objects",
            ),
            (any(low is not None and high is not None and low > high for low, high in bounds), "min is above max"),
            (
                (self.min is not None or self.max is not None) and self.type not in ("int", "number"),
                "min and max are for numbers",
            ),
            (
                (self.min_length is not None or self.max_length is not None or self.allow_empty)
                and self.type != "string",
                "lengths are for strings",
            ),
            (self.max_bytes is not None and self.type != "file", "max_bytes is for files"),
            (bool(self.picture_formats) and self.type != "file", "picture formats are for files"),
            (bool(self.one_of) and self.required, "a member of a group cannot be required by itself"),
            (self.open and not self.choices, "open needs choices"),
            (any(type(choice.value) is not choice_type for choice in self.choices), "choices of another type"),
        ]
        for wrong, reason in problems:
            if wrong:
                raise ValueError(f"parameter {self.name!r}: {reason}")
        object.__setattr__(self, "_plain_decoder", make_plain_decoder(self))
        if self.default is not None:
            self.encode(self.default)

    def encode(self, value: Any) -> str:
        """Return the text to sign and send for a JSON value or for its text. Raises `InvalidValue`."""
        match self.type:
            case "string":
                return self._encode_string(value)
            case "int" | "number":
                return self._encode_number(value)
            case "array" | "object":
                return self._encode_json(value)
            case "file":
                raise InvalidValue(message("must be a file: send the call as multipart/form-data"))

    def _encode_string(self, value: Any) -> str:
        if not isinstance(value, str):
            raise InvalidValue(message("must be a string, not {json_type}", json_type=describe_json_type(value)))
        if not (value.isascii() or is_unicode(value)):
            raise InvalidValue(message("must be valid Unicode"))
        if value == "" and (self.allow_empty or not self.required):
            return value
        low = self.min_length if self.min_length is not None else int(self.required)
        high = self.max_length
        if value == "" and low == 1 and high is None:
            raise InvalidValue(message("must not be empty"))
        if len(value) < low or (high is not None and len(value) > high):
            described = describe_range(low, high)
            if self.allow_empty:
                raise InvalidValue(
                    message("must have {range} characters or be empty, not {count}", range=described, count=len(value))
                )
            raise InvalidValue(message("must have {range} characters, not {count}", range=described, count=len(value)))
        if (check := _TEXT_CHECKS.get(self.format)) is not None:
            check(value)
        self._check_choice(value)
        return value

    def _encode_number(self, value: Any) -> str:
        number, text = parse_number(value, integer=self.type == "int")
        self._check_range(number, text)
        self._check_choice(number)
        return text

    def _check_range(self, number: int | Decimal, text: str | Decimal) -> None:
        if (self.min is not None and number < self.min) or (self.max is not None and number > self.max):
            raise InvalidValue(
                message("must be {range}, not {text}", range=describe_range(self.min, self.max), text=text)
            )

    def _check_choice(self, value: int | Decimal | str) -> None:
        if self.choices and not self.open and all(choice.value != value for choice in self.choices):
            allowed = ", ".join(f"{choice.value} ({choice.meaning})" for choice in self.choices)
            raise InvalidValue(message("must be one of {allowed}", allowed=allowed))

    def _encode_json(self, value: Any) -> str:
        try:
            document = self._parse_json(value)
            if isinstance(document, list):
                return self._encode_elements(document)
            return json_text.dumps(document)
        except RecursionError as exc:
            raise InvalidValue(message("is nested too deeply")) from exc
        except UnicodeEncodeError as exc:
            raise InvalidValue(message("must be valid Unicode")) from exc

    def _encode_elements(self, elements: Sequence[Any]) -> str:
        text = self._encode_plain(elements)
        if text is None:
            self._check_items(elements)
            text = json_text.dumps(elements)
        return text

    def _encode_plain(self, elements: Sequence[Any]) -> str | None:
        """Return elements as JSON if they are plainly as declared, else None."""
        if self._plain_decoder is None:
            return None
        try:
            text = json_text.dumps(elements)
            self._plain_decoder.decode(text)
        except (ValueError, RecursionError):
            return None
        return text

    def _parse_json(self, value: Any) -> Any:
        """Return an array or object, parsed if it was given as text."""
        if isinstance(value, str):
            try:
                value = json_text.loads(value)
            except ValueError as exc:
                raise InvalidValue(message("must be valid JSON text")) from exc
        expected: type = list if self.type == "array" else dict
        if not isinstance(value, expected):
            raise InvalidValue(
                message(
                    "must be {expected}, not {json_type}",
                    expected=JSON_TYPES[expected],
                    json_type=describe_json_type(value),
                )
            )
        return value

    def _check_items(self, elements: Sequence[Any]) -> None:
        if self.required and not elements:
            raise InvalidValue(message("must not be empty"))
        for index, element in enumerate(elements):
            try:
                self._check_item(element)
            except InvalidValue as exc:
                raise InvalidValue(exc.reason, f"[{index}]{exc.path}") from exc

    def _check_item(self, element: Any) -> None:
        if self.items == "object":
            if not isinstance(element, dict):
                raise InvalidValue(message("must be an object, not {json_type}", json_type=describe_json_type(element)))
            self._check_properties(element)
        elif self.items == "int":
            number, _ = parse_number(element, integer=True)
            self._check_choice(number)
        elif type(element) not in (str, int) or element == "":
            raise InvalidValue(message("must be a string that is not empty"))

    def _check_properties(self, element: Mapping[str, Any]) -> None:
        # Empty means absent (NOTES: Empty values).
        for name in self._required_properties:
            if element.get(name) in (None, ""):
                raise InvalidValue(message("is required"), f".{name}")
        for name, value in element.items():
            known = self._known_properties.get(name)
            # To compare a Decimal with a text is slow, so only what is false is compared.
            if known is None or value is None or (not value and value == ""):
                continue
            try:
                known._check_property(value)
            except InvalidValue as exc:
                raise InvalidValue(exc.reason, f".{name}{exc.path}") from exc

    def _check_property(self, value: Any) -> None:
        """Check a member of an object, which is sent unchanged. Raises `InvalidValue`."""
        # Identifiers may be numbers, and numbers text (NOTES: Identifiers).
        match self.type:
            case "string":
                self._encode_string(str(value) if type(value) is int else value)
            case "number" if isinstance(value, Decimal):
                if not -MAX_DECIMAL < value < MAX_DECIMAL:
                    raise InvalidValue(message("must have at most 18 digits before the point"))
                self._check_range(value, value)
            case "array":
                self._check_items(self._parse_json(value))
            case "object":
                self._parse_json(value)
            case _:
                self.encode(value)

    def check_file(self, part: FilePart) -> None:
        """Check the content of a file; the caller checks its size. Raises `InvalidValue`."""
        if not part.data:
            raise InvalidValue(message("is empty"))
        if self.picture_formats:
            size = read_picture_size(part.data)
            if size is None:
                raise InvalidValue(message("is not a PNG, JPEG, GIF or BMP picture"))
            if all((one.width, one.height) != size for one in self.picture_formats):
                known = ", ".join(f"{one.model} {one.width} x {one.height}" for one in self.picture_formats)
                raise InvalidValue(
                    message(
                        "is {width} x {height} pixels, which no label shows ({known})",
                        width=size[0],
                        height=size[1],
                        known=known,
                    )
                )

    def describe(self) -> dict[str, Any]:
        """Return the parameter as JSON, without what is not set."""
        described: dict[str, Any] = {"name": self.name, "type": self.type, "required": self.required}
        if self.choices:
            described["choices"] = [choice.value for choice in self.choices]
            described["choice_meanings"] = {str(choice.value): choice.meaning for choice in self.choices}
        for name in _DESCRIBED:
            value = getattr(self, name)
            if value is not None and value is not False and value != "":
                described[_JSON_NAMES.get(name, name)] = value
        if self.properties:
            described["properties"] = [known.describe() for known in self.properties]
        if self.picture_formats:
            described["pictures"] = [
                {"model": one.model, "width": one.width, "height": one.height, "colours": list(one.colours)}
                for one in self.picture_formats
            ]
        return described


_DESCRIBED: Final = (
    "description", "one_of", "replaces", "min", "max", "min_length", "max_length", "max_bytes", "allow_empty", "open",
    "default", "secret", "format", "items", "example",
)  # fmt: skip
"""The fields that `describe` copies."""
_JSON_NAMES: Final = {"allow_empty": "blank"}
"""Their names in JSON, where those differ."""
