"""What a label shows of a product of the shop's lists."""

import datetime
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from gateway.labels.content import DATE_FIELDS, MORE_PREFIX, STORED_PRICES, TEXT_FIELDS, ProductContent

_MAX_TEXTS: Final = 100
_MILLISECONDS_FROM: Final = 10**11
"""A time of more is in milliseconds."""


def make_content(
    fields: Mapping[str, Any],
    *,
    zone: datetime.tzinfo | None = None,
    valid_from: int | None = None,
    valid_until: int | None = None,
) -> ProductContent:
    """Return a product as labels show it.

    `fields` are those of the shop's lists. `valid_from` and `valid_until` are the first and the last moment of prices
    for a time, in Unix seconds. Days are those of `zone`, or of this machine.
    """
    values: dict[str, Any] = {
        name: str(fields[name]) for name in TEXT_FIELDS if isinstance(fields.get(name), str | int)
    }
    values |= {name: price for name in STORED_PRICES if (price := _read_price(fields.get(name))) is not None}
    values["valid_from"] = _find_day(valid_from or None, zone)
    values["valid_until"] = _find_day(None if valid_until is None else valid_until - 1, zone)
    values["expire_time"] = _read_day(fields.get("expire_time"), zone)
    known = TEXT_FIELDS | set(STORED_PRICES) | DATE_FIELDS
    more = {
        name.removeprefix(MORE_PREFIX): str(value)
        for name, value in list(fields.items())[:_MAX_TEXTS]
        if name not in known and isinstance(value, str | int | Decimal) and value != ""
    }
    return ProductContent(**{"id": "", **values}, more=more)


def _read_price(value: Any) -> Decimal | None:
    try:
        price = Decimal(str(value)) if isinstance(value, str | int | Decimal) else None
    except InvalidOperation:
        return None
    return price if price is not None and price.is_finite() else None


def _read_day(value: Any, zone: datetime.tzinfo | None) -> datetime.date | None:
    if not isinstance(value, int) or value <= 0:
        return None
    return _find_day(value // 1000 if value >= _MILLISECONDS_FROM else value, zone)


def _find_day(time: int | None, zone: datetime.tzinfo | None) -> datetime.date | None:
    if time is None:
        return None
    try:
        return datetime.datetime.fromtimestamp(time, zone).date()
    except (ValueError, OSError, OverflowError):
        return None
