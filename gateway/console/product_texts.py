"""Products in words for the people of a shop."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

from firmware_tools.language import Message, message
from gateway.outbox.reasons import recognise_reason
from gateway.products.product_table import ProductState, StoredProduct
from gateway.protocol.json_text import dumps, make_encodable
from gateway.runtime.timestamps import utc_text

PRODUCTS: Final = "/console/products"
"""The address of the list of products."""
COMPARISON: Final = f"{PRODUCTS}/comparison"
"""The address of the comparison with the cloud."""

FIELD_TITLES: Final = {
    "id": message("Product number"),
    "name": message("Product name"),
    "price": message("Selling price"),
    "promote_price": message("Promotion price"),
    "member_price": message("Member price"),
    "bar_code": message("Bar code"),
    "seq_num": message("Sequence number"),
    "alias": message("Other name"),
    "spec": message("Specification"),
    "unit": message("Unit"),
    "level": message("Grade"),
    "area": message("Place of origin"),
    "brand": message("Brand"),
    "qr_code": message("Address of the QR code"),
    "expire_time": message("Expiry, as the cloud counts"),
    "valid_from": message("Prices valid from"),
    "valid_until": message("Prices valid until"),
}
"""What people call the fields of a product and the columns of a list, in the order in which they are shown."""

STATE_TEXTS: Final[Mapping[ProductState, Message]] = {
    "settled": message("at the cloud"),
    "open": message("still to be sent"),
    "sent": message("being sent"),
    "refused": message("refused"),
}
"""The states of products."""
_DELETION_TEXTS: Final[Mapping[ProductState, Message]] = {
    "open": message("to be deleted"),
    "sent": message("being deleted"),
}
"""The states of products that shall not be at the cloud."""
_RESULT_LIST: Final = re.compile(r" \(\w+_list\)$")


@dataclass(frozen=True, slots=True)
class ShownProduct:
    """A product as the pages show it."""

    product: StoredProduct
    """The product."""

    @property
    def address(self) -> str:
        """The address of its page."""
        return find_product_page(self.product.product_id)

    @property
    def title(self) -> str:
        """Its name; its number if it has none."""
        return self.product.name or self.product.product_id

    @property
    def state(self) -> Message:
        """Its state."""
        texts = {**STATE_TEXTS, **_DELETION_TEXTS} if self.product.wanted is None else STATE_TEXTS
        return texts[self.product.state]

    @property
    def prices(self) -> dict[str, str]:
        """The prices that the lists say; those of the cloud where it shall not be there."""
        fields = self.product.wanted or self.product.confirmed or {}
        return {name: show_value(fields[name]) for name in fields if isinstance(fields[name], Decimal)}

    @property
    def bar_code(self) -> str:
        """Its bar code; empty if it has none."""
        return show_value((self.product.wanted or self.product.confirmed or {}).get("bar_code", ""))

    @property
    def reason(self) -> str:
        """Why the cloud refused the change; empty if it did not."""
        return recognise_reason(_RESULT_LIST.sub("", self.product.problem))

    @property
    def changed_at(self) -> str:
        """When a list changed it last, in UTC."""
        return utc_text(self.product.changed_at)

    @property
    def confirmed_at(self) -> str:
        """When the cloud took a change last, in UTC; empty if it never did."""
        return "" if self.product.confirmed_at is None else utc_text(self.product.confirmed_at)


def find_product_page(product_id: str) -> str:
    """Return the address of the page of a product. Its number may be any text."""
    return f"{PRODUCTS}/by-id/{quote(product_id, safe='', errors='replace')}"


def find_field_title(name: str) -> Message | str:
    """Return what people call a field; its name if the vendor does not declare it."""
    return FIELD_TITLES.get(name, name)


def show_value(value: Any) -> str:
    """Return the value of a field as people read it: prices with two decimals, and JSON where it is no text."""
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    return value if isinstance(value, str) else dumps(make_encodable(value))
