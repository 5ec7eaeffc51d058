"""Request bodies that hold one list and nothing else, checked while they are parsed: the fast path for orders.

The parsing and checking run in C (msgspec). Everything accepted here `Parameter` accepts as well. What is not exactly
as declared is left to `Parameter`: numbers as text, blank and unknown members, and every error, which needs a reason.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final, NamedTuple, Self

import msgspec
from msgspec import Meta

from gateway.protocol.parameters import LARGEST, Parameter

_PLAIN: Final = LARGEST // 10
"""Largest number accepted here. It stays away from `LARGEST`, where floating point is rounded."""
_SHORT: Final = Annotated[int, Meta(ge=-_PLAIN, le=_PLAIN)]
_FILLED: Final[Any] = Annotated[str, Meta(min_length=1)] | _SHORT


class Part(NamedTuple):
    """One element of the list."""

    reference: str
    """The identifier by which the vendor's responses name the element."""
    text: str
    """The element as compact JSON, with every digit as received."""


class ListBody:
    """The body of one endpoint: an object whose only member is the list."""

    def __init__(self, name: str, element: Any, identifier: str) -> None:
        fields = [(name, Annotated[list[msgspec.Raw], Meta(min_length=1)])]
        self._name = name
        self._body = msgspec.json.Decoder(msgspec.defstruct("Body", fields, forbid_unknown_fields=True))
        self._element = msgspec.json.Decoder(element)
        self._identifier = identifier

    @classmethod
    def of(cls, parameter: Parameter, identifier: str) -> Self | None:
        """Return the body for a list parameter, or None if a type cannot express its declaration.

        `identifier` names the member of each element that identifies it. If it is empty, the element itself does.
        """
        element = _element(parameter) if parameter.required else None
        return None if element is None else cls(parameter.name, element, identifier)

    def parse(self, body: bytes) -> Sequence[Part] | None:
        """Return the elements of a body, or None if they are not exactly as declared."""
        try:
            raws = getattr(self._body.decode(msgspec.json.format(body, indent=-1)), self._name)
            decode, identifier = self._element.decode, self._identifier
            if identifier:
                return [Part(str(getattr(decode(raw), identifier)), bytes(raw).decode()) for raw in raws]
            return [Part(str(decode(raw)), bytes(raw).decode()) for raw in raws]
        except (ValueError, RecursionError):
            return None


def _element(parameter: Parameter) -> Any:
    """Return the type of the elements of an array, or None if no type expresses the declaration."""
    if parameter.choices or parameter.items == "int":
        return None
    return _FILLED if parameter.items == "string" else _object(parameter)


def _object(parameter: Parameter) -> Any:
    fields: list[Any] = []
    for known in parameter.properties:
        kind = _member(known)
        if kind is None:
            return None
        fields.append((known.name, kind) if known.required else (known.name, kind, None))
    return msgspec.defstruct(parameter.name, fields, forbid_unknown_fields=True, kw_only=True)


def _member(known: Parameter) -> Any:
    if known.choices and not known.open:
        return None
    match known.type:
        case "string":
            return _string(known)
        case "int":
            return _number(int, known)
        case "number":
            return _number(int, known) | _number(float, known)
        case "array":
            element = _element(known)
            return None if element is None or known.required else list[element]  # type: ignore[valid-type]
        case "object":
            return _object(known)
        case "file":
            return None


def _string(known: Parameter) -> Any:
    if known.format is not None:
        return None
    if known.min_length is None and known.max_length is None:
        return _FILLED if known.required else str | _SHORT
    return Annotated[str, Meta(min_length=known.min_length or 1, max_length=known.max_length)]


def _number(kind: type[int] | type[float], known: Parameter) -> Any:
    low = -_PLAIN if known.min is None else known.min
    high = _PLAIN if known.max is None else known.max
    return Annotated[kind, Meta(ge=kind(low), le=kind(high))]
