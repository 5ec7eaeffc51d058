"""JSON in which numbers keep the digits they came with."""

from decimal import Decimal, InvalidOperation
from typing import Any, Final

import simplejson


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


# Made once: simplejson's functions make a new one for each call that is not given the defaults.
_DECODER: Final = simplejson.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)
_ENCODER: Final = simplejson.JSONEncoder(ensure_ascii=False, separators=(",", ":"), use_decimal=True)
_SORTING: Final = simplejson.JSONEncoder(separators=(",", ":"), use_decimal=True, sort_keys=True)


def loads(text: str | bytes) -> Any:
    """Parse JSON; fractions become `Decimal`, so that 10.00 stays 10.00. Raises ValueError."""
    try:
        return _DECODER.decode(text.decode() if isinstance(text, bytes) else text)
    except RecursionError as exc:
        raise ValueError("the JSON is nested too deeply") from exc
    except InvalidOperation as exc:
        raise ValueError("a number has too large an exponent") from exc


def dumps(value: Any, *, indent: int | None = None) -> str:
    """Write JSON, compact unless indented, with every non-ASCII character as it is."""
    if indent is not None:
        return simplejson.dumps(value, ensure_ascii=False, indent=indent, use_decimal=True)
    text: str = _ENCODER.encode(value)
    return text


def canonical(value: Any) -> str:
    """Write JSON that is the same for the same content: the order of an object's members has no meaning."""
    text: str = _SORTING.encode(value)
    return text
