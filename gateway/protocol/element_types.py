"""Types of plain list elements, made from their declarations: msgspec checks those in C, while it parses.

What a type takes, `Parameter` takes too, so plain elements need no other check. A type leaves to `Parameter` whatever
is not plainly as declared: numbers as text, empty values of another type, and all that is wrong and deserves a reason.
"""

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

if TYPE_CHECKING:
    from gateway.protocol.parameters import Parameter

_MAX_PLAIN: Final = 10**17
"""Plain numbers are at most this: far from the limit, where floating point is rounded."""
_INTEGER: Final[Any] = Annotated[int, Meta(ge=-_MAX_PLAIN, le=_MAX_PLAIN)]
_FILLED: Final[Any] = Annotated[str, Meta(min_length=1)]


def make_plain_decoder(parameter: "Parameter") -> msgspec.json.Decoder[Any] | None:
    """Return what decodes an array of plain elements, and raises ValueError for any other.

    None for what is no array, or if the declaration says what a type cannot.
    """
    kind = _make_member_type(parameter) if parameter.type == "array" else None
    return None if kind is None else msgspec.json.Decoder(kind)


def _make_element_type(parameter: "Parameter") -> Any:
    match parameter.items:
        case "object":
            return _make_object_type(parameter)
        case "int":
            return _make_number_type(parameter)
        case _:
            return None if parameter.choices else _FILLED | _INTEGER


def _make_object_type(parameter: "Parameter") -> Any:
    fields: list[Any] = []
    for known in parameter.properties:
        kind = _make_member_type(known)
        if kind is None:
            return None
        fields.append((known.name, kind) if known.required else (known.name, kind | None, None))
    return msgspec.defstruct(parameter.name, fields, kw_only=True, gc=False)


def _make_member_type(known: "Parameter") -> Any:
    match known.type:
        case "string":
            return _make_string_type(known)
        case "int" | "number":
            return _make_number_type(known)
        case "array":
            element = _make_element_type(known)
            if element is None:
                return None
            return Annotated[list[element], Meta(min_length=int(known.required))]  # type: ignore[valid-type]
        case _:
            return None


def _make_string_type(known: "Parameter") -> Any:
    if known.format is not None or (known.choices and not known.open):
        return None
    if known.min_length is None and known.max_length is None:
        return (_FILLED if known.required else str) | _INTEGER
    return Annotated[str, Meta(min_length=known.min_length or int(known.required), max_length=known.max_length)]


def _make_number_type(known: "Parameter") -> Any:
    if known.choices and not known.open:
        return Literal[tuple(choice.value for choice in known.choices)] if known.type != "number" else None
    low = -_MAX_PLAIN if known.min is None else known.min
    high = _MAX_PLAIN if known.max is None else known.max
    integer: Any = Annotated[int, Meta(ge=low, le=high)]
    # A fraction beyond a bound may be rounded to it, but not to what is within.
    return integer if known.type != "number" else integer | Annotated[float, Meta(gt=low, lt=high)]
