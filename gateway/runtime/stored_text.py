"""Texts for people as they are stored: with template and values, so that each reader gets them in its own language."""

import string
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from firmware_tools.language import Message, fill

_MAX_DEPTH: Final = 8
_MAX_FORMAT_CHARACTERS: Final = 8


def pack_text(text: str) -> Any:
    """Return a text as JSON: one that cannot be translated as it is."""
    if not isinstance(text, Message):
        return str(text)
    values = {name: _pack_value(value) for name, value in text.values.items()}
    plural = {} if text.key == text.template else {"key": text.key}
    return {"template": text.template, "values": values} | plural


def _pack_value(value: str | int | float | Decimal) -> Any:
    if isinstance(value, str):
        return pack_text(value)
    return {"decimal": str(value)} if isinstance(value, Decimal) else value


def unpack_text(document: Any) -> str:
    """Return a text that was packed. Raises `ValueError` for anything else."""
    return _unpack(document, _MAX_DEPTH)


def _unpack(document: Any, depth: int) -> str:
    if isinstance(document, str):
        return document
    if not depth or not isinstance(document, Mapping):
        raise ValueError("not a stored text")
    template, values = document.get("template"), document.get("values")
    key = document.get("key", template)
    if not isinstance(template, str) or not isinstance(key, str) or not isinstance(values, Mapping):
        raise ValueError("a stored text without template or values")
    kept = {name: _unpack_value(value, depth - 1) for name, value in values.items()}
    for _, field, form, _ in (*string.Formatter().parse(template), *string.Formatter().parse(key)):
        form = form or ""
        if field is not None and (field not in kept or len(form) > _MAX_FORMAT_CHARACTERS or "{" in form):
            raise ValueError("a stored text whose template does not fit its values")
    return fill(template, key, **kept)


def _unpack_value(value: Any, depth: int) -> str | int | float | Decimal:
    if isinstance(value, int | float):
        return value
    if isinstance(value, Mapping) and set(value) == {"decimal"}:
        try:
            return Decimal(value["decimal"])
        except (ArithmeticError, TypeError) as exc:
            raise ValueError("a stored number that is none") from exc
    return _unpack(value, depth)
