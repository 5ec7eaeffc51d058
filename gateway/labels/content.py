"""What a label shows of a product."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Final

MAX_PRICE: Final = Decimal(10**9)
"""No price is higher."""
MORE_PREFIX: Final = "more."
"""A template names a field of `ProductContent.more` with this before its name."""

ContentValue = str | Decimal | datetime.date | None
"""The value of a field: a text, a price, a date; None if the product has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductContent:
    """A product as a label shows it. Fields that the vendor's products have, too, are named as there."""

    id: str
    """The product's own number."""
    name: str = ""
    """Name."""
    name_en: str = ""
    """Name in a second language."""
    alias: str = ""
    """Another name."""
    brand: str = ""
    """Brand."""
    spec: str = ""
    """Specification, such as `500 ml`."""
    unit: str = ""
    """What the price is for, such as `瓶`."""
    level: str = ""
    """Grade."""
    area: str = ""
    """Place of origin."""
    seq_num: str = ""
    """Sequence number."""
    bar_code: str = ""
    """Bar code, with its check digit."""
    qr_code: str = ""
    """Text of the QR code, as a rule an address."""
    price: Decimal | None = None
    """Current selling price."""
    promote_price: Decimal | None = None
    """Promotion price; while it is given, it is what the product costs."""
    member_price: Decimal | None = None
    """Price for members."""
    old_price: Decimal | None = None
    """What the product cost before; without it, a promotion is compared with `price`."""
    unit_price: Decimal | None = None
    """Price of a measure that products are compared by."""
    unit_price_measure: str = ""
    """That measure, such as `100 g`."""
    promotion: str = ""
    """What a promotion says, such as `买二送一`."""
    valid_from: datetime.date | None = None
    """The first day of the promotion."""
    valid_until: datetime.date | None = None
    """The last day of the promotion."""
    expire_time: datetime.date | None = None
    """The day on which the product expires."""
    more: Mapping[str, str] = field(default_factory=dict)
    """Further texts by name. A template writes `more.NAME`."""
    photos: Mapping[str, bytes] = field(default_factory=dict)
    """Photos by name, as JPEG or PNG."""

    @property
    def selling_price(self) -> Decimal | None:
        """What the product costs now."""
        return self.price if self.promote_price is None else self.promote_price

    @property
    def regular_price(self) -> Decimal | None:
        """The price to strike through beside the selling price; None if it is not higher."""
        regular = self.price if self.old_price is None else self.old_price
        selling = self.selling_price
        return regular if regular is not None and selling is not None and regular > selling else None

    def find(self, name: str) -> ContentValue:
        """Return the value of a field by the name that templates use; None if the product has none."""
        if name.startswith(MORE_PREFIX):
            return self.more.get(name.removeprefix(MORE_PREFIX)) or None
        value: ContentValue = getattr(self, name)
        return value if value != "" else None


STORED_PRICES: Final = ("price", "promote_price", "member_price", "old_price", "unit_price")
"""Fields that are prices."""
PRICE_FIELDS: Final = frozenset({*STORED_PRICES, "selling_price", "regular_price"})
"""What a template can name as a price: fields, and what follows from them."""
DATE_FIELDS: Final = frozenset({"valid_from", "valid_until", "expire_time"})
"""Fields that are dates."""
TEXT_FIELDS: Final = frozenset(
    {one.name for one in fields(ProductContent)} - PRICE_FIELDS - DATE_FIELDS - {"more", "photos"}
)
"""Fields that are texts, without those of `more`."""
FIELDS: Final = PRICE_FIELDS | DATE_FIELDS | TEXT_FIELDS
"""All fields that a template can name, without those of `more`."""
