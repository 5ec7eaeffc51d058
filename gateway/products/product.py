"""A product as the vendor's cloud knows it, under the vendor's names."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

import msgspec

from firmware_tools.language import message
from gateway.protocol.catalogue.cloud_products import PRICE_DECIMALS, PRODUCT_FIELDS
from gateway.protocol.values import InvalidValue

FIELDS: Final = {field.name: field for field in PRODUCT_FIELDS}
"""What the vendor declares of each field, `id` first."""
PRICE_FIELDS: Final = tuple(field.name for field in PRODUCT_FIELDS if field.type == "number")
"""The fields that are prices."""

_SMALLEST_UNIT: Final = Decimal(1).scaleb(-PRICE_DECIMALS)
MAX_PRICE: Final = Decimal(10**12)
"""What every price is less than."""
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Product(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A product. A field that is None is not given: nothing is said about it."""

    id: str
    """The shop's own number of it."""
    name: str | None = None
    """Name."""
    seq_num: str | None = None
    """Sequence number."""
    bar_code: str | None = None
    """Bar code."""
    alias: str | None = None
    """Another name."""
    spec: str | None = None
    """Specification."""
    unit: str | None = None
    """Unit."""
    level: str | None = None
    """Grade."""
    area: str | None = None
    """Place of origin."""
    brand: str | None = None
    """Brand."""
    qr_code: str | None = None
    """Address that the QR code leads to."""
    price: Decimal | None = None
    """Current selling price, with two digits after the point."""
    promote_price: Decimal | None = None
    """Promotion price."""
    member_price: Decimal | None = None
    """Price for members."""
    expire_time: int | None = None
    """When it expires, as the vendor counts."""
    unknown: Mapping[str, Any] = _NOTHING
    """Fields of the vendor that are not declared here, as JSON values."""
    emptied: frozenset[str] = frozenset()
    """Fields that are said to have no value, as a promotion price that has ended."""
    valid_from: datetime | None = None
    """From when on it is so: in the shop's time if it has no zone. Never sent to the vendor."""
    valid_until: datetime | None = None
    """Until when it is so; that moment is no longer part of it. Never sent to the vendor."""


def to_item(product: Product) -> dict[str, Any]:
    """Return the product as the vendor's JSON object, with empty text for what is said to have no value."""
    item: dict[str, Any] = {}
    for name in FIELDS:
        value = getattr(product, name)
        if value is not None:
            item[name] = value
        elif name in product.emptied:
            item[name] = ""
    return {**item, **product.unknown}


def read_item(item: Mapping[str, Any]) -> Product:
    """Read the vendor's JSON object. Numbers may be text; empty text is said to be empty. Raises `InvalidValue`."""
    values: dict[str, Any] = {}
    unknown: dict[str, Any] = {}
    emptied: set[str] = set()
    for name, value in item.items():
        if name not in FIELDS:
            unknown[name] = value
        elif value == "":
            emptied.add(name)
        elif value is not None:
            try:
                values[name] = read_field(name, value)
            except InvalidValue as exc:
                raise InvalidValue(exc.reason, f".{name}") from exc
    if "id" not in values:
        raise InvalidValue(message("is required"), ".id")
    return Product(**values, unknown=unknown or _NOTHING, emptied=frozenset(emptied))


def read_field(name: str, value: Any) -> str | int | Decimal:
    """Return the value of one of `FIELDS` in its type. Raises `InvalidValue`."""
    match FIELDS[name].type:
        case "number":
            return read_price(name, value)
        case "int":
            text = FIELDS[name].encode(value)
            return int(text)
        case _:
            # Identifiers may be numbers (NOTES: Identifiers).
            return FIELDS[name].encode(str(value) if type(value) is int else value)


def read_price(name: str, value: Any) -> Decimal:
    """Return a price in its canonical form, with two digits after the point. Raises `InvalidValue`."""
    if isinstance(value, float):
        raise InvalidValue(message("must be a decimal number, not one of floating point"))
    text = FIELDS[name].encode(value)
    number = Decimal(text)
    if number >= MAX_PRICE:
        raise InvalidValue(message("must be less than {max}, not {text}", max=format(MAX_PRICE, ","), text=text))
    exact = number.quantize(_SMALLEST_UNIT)
    if exact != number:
        raise InvalidValue(
            message("must have at most {count} digits after the point, not {text}", count=PRICE_DECIMALS, text=text)
        )
    return exact
