"""JSON in which numbers keep the digits they came with."""

from decimal import Decimal, InvalidOperation
from typing import Any

import simplejson


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
    separators = (",", ":" if indent is None else ": ")
    return simplejson.dumps(value, ensure_ascii=False, separators=separators, indent=indent, use_decimal=True)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


_DECODER = simplejson.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)
"""Made once: making one costs more than decoding a small document."""
