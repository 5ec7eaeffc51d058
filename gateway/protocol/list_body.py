"""Bodies that hold one list and nothing else, checked while they are parsed: in C, for orders and bulk loads.

What such a body takes, `Parameter` takes too; it leaves to that whatever is not plainly as declared: numbers as text,
blank and unknown members, and all that is wrong and deserves a reason.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final, NamedTuple, Self

import msgspec
from msgspec import Meta

from gateway.protocol.parameters import LARGEST, Parameter

_PLAIN: Final = LARGEST // 10
"""What plain numbers are at most: far from the limit, where floating point is rounded."""
_SHORT: Final = Annotated[int, Meta(ge=-_PLAIN, le=_PLAIN)]
_FILLED: Final[Any] = Annotated[str, Meta(min_length=1)] | _SHORT


class Part(NamedTuple):
    """One element of the list: by what the vendor names it, and its compact JSON with every digit as it came."""

    reference: str
    text: str


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
        """Return the body for a list whose elements have their identifier in that member, or are it, if blank.

        None if the list's declaration says what a type cannot.
        """
        element = _element(parameter) if parameter.required else None
        return None if element is None else cls(parameter.name, element, identifier)

    def parse(self, body: bytes) -> Sequence[Part] | None:
        """Return the elements of a body, or None if they are not plainly as declared."""
        try:
            raws = getattr(self._body.decode(msgspec.json.format(body, indent=-1)), self._name)
            decode, identifier = self._element.decode, self._identifier
            if identifier:
                return [Part(str(getattr(decode(raw), identifier)), bytes(raw).decode()) for raw in raws]
            return [Part(str(decode(raw)), bytes(raw).decode()) for raw in raws]
        except (ValueError, RecursionError):
            return None


def _element(parameter: Parameter) -> Any:
    """Return the type of the elements of an array, or None if there is none that says it all."""
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
