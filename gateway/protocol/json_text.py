"""JSON in which numbers keep the digits they came with."""

import json
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)
_PATIENT: Final = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)
"""Takes half a surrogate pair, so that whoever sent one can be told where, and tells best what is wrong with a text."""
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_SORTING: Final = msgspec.json.Encoder(decimal_format="number", order="sorted")


def loads(text: str | bytes) -> Any:
    """Parse JSON; fractions become `Decimal`, so that 10.00 stays 10.00. Raises ValueError."""
    try:
        try:
            return _DECODER.decode(text)
        except ValueError:
            return _PATIENT.decode(text.decode() if isinstance(text, bytes) else text)
    except RecursionError as exc:
        raise ValueError("the JSON is nested too deeply") from exc
    except InvalidOperation as exc:
        raise ValueError("a number has too large an exponent") from exc


def dumps(value: Any, *, indent: int | None = None) -> str:
    """Write JSON, compact unless indented, with every non-ASCII character as it is.

    Raises UnicodeEncodeError for half a surrogate pair, and RecursionError for what is nested too deeply.
    """
    raw = _ENCODER.encode(value)
    return (raw if indent is None else msgspec.json.format(raw, indent=indent)).decode()


def canonical(value: Any) -> bytes:
    """Write JSON that is the same for the same content: the order of an object's members has no meaning."""
    return _SORTING.encode(value)
