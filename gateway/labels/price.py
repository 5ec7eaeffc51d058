"""How prices are written: decimals as they are, never floats."""

from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from firmware_tools.language import message
from gateway.errors import FieldError
from gateway.labels.content import MAX_PRICE
from gateway.labels.picture import LabelNotDrawable


class PriceFormat(BaseModel):
    """Currency and digits of prices."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    currency: str = Field(default="¥", max_length=8)
    """The sign of the currency; empty for none."""
    is_currency_last: bool = False
    """Whether the sign stands after the digits."""
    decimals: int = Field(default=2, ge=0, le=4)
    """Digits after the point."""
    decimal_point: str = Field(default=".", min_length=1, max_length=1)
    """What stands before them."""
    thousands_separator: str = Field(default="", max_length=1)
    """What stands between groups of three digits."""


class WrittenPrice(NamedTuple):
    """A price in signs."""

    currency: str
    """The sign of the currency; empty for none."""
    whole: str
    """The digits before the point."""
    point: str
    """The point; empty if no digits follow."""
    fraction: str
    """The digits after the point."""
    is_currency_last: bool
    """Whether the sign of the currency stands after the digits."""
    is_rounded: bool
    """Whether the price has more digits than these."""

    @property
    def text(self) -> str:
        """The whole price in one line."""
        digits = f"{self.whole}{self.point}{self.fraction}"
        return f"{digits}{self.currency}" if self.is_currency_last else f"{self.currency}{digits}"


def check_price(field: str, price: Decimal) -> None:
    """Raise `LabelNotDrawable`, which names the product's field, for a price that cannot be shown."""
    if not isinstance(price, Decimal) or not price.is_finite() or not 0 <= price <= MAX_PRICE:
        reason = message("must be a decimal from 0 to {limit}", limit=MAX_PRICE)
        raise LabelNotDrawable([FieldError(field, reason)])


def write_price(price: Decimal, style: PriceFormat) -> WrittenPrice:
    """Return a price in signs, half a cent rounded up."""
    shown = abs(price.quantize(Decimal(1).scaleb(-style.decimals), ROUND_HALF_UP))
    whole, _, fraction = f"{shown:,f}".partition(".")
    return WrittenPrice(
        style.currency,
        whole.replace(",", style.thousands_separator),
        style.decimal_point if fraction else "",
        fraction,
        style.is_currency_last,
        shown != price,
    )
