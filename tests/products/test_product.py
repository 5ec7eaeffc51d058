"""Products under the vendor's names: what is sent, what is read back, and what differs."""

from decimal import Decimal
from typing import Any

import pytest

from gateway.products.changes import find_change, merge_fields, without_empty
from gateway.products.product import FIELDS, Product, read_item, to_item
from gateway.protocol import json_text
from gateway.protocol.values import InvalidValue

COLA = Product(id="001", name="Cola", price=Decimal("3.20"), emptied=frozenset({"promote_price"}))


def test_a_product_has_every_field_that_the_vendor_declares() -> None:
    own = ("unknown", "emptied", "valid_from", "valid_until")
    assert Product.__struct_fields__ == (*FIELDS, *own)


def test_what_is_sent_is_read_back() -> None:
    sent = json_text.dumps(to_item(COLA))
    assert sent == '{"id":"001","name":"Cola","price":3.20,"promote_price":""}'
    assert read_item(json_text.loads(sent)) == COLA


def test_the_vendor_writes_numbers_as_text_and_text_as_numbers() -> None:
    product = read_item({"id": 7, "name": "a", "price": "3", "member_price": 2, "category_id": "5", "brand": None})
    assert product == Product(
        id="7", name="a", price=Decimal("3.00"), member_price=Decimal("2.00"), unknown={"category_id": "5"}
    )
    assert str(product.price) == "3.00"


@pytest.mark.parametrize(
    ("item", "place", "reason"),
    [
        ({"name": "a"}, ".id", "is required"),
        ({"id": ""}, ".id", "is required"),
        ({"id": "1", "price": Decimal("-0.01")}, ".price", "at least 0"),
        ({"id": "1", "price": Decimal("1.005")}, ".price", "at most 2 digits"),
        ({"id": "1", "price": 10**12}, ".price", "must be less than"),
        ({"id": "1", "price": 1.1}, ".price", "floating point"),
        ({"id": "1", "price": "cheap"}, ".price", "a number"),
        ({"id": "1", "name": []}, ".name", "a string"),
        ({"id": "1", "expire_time": "soon"}, ".expire_time", "an integer"),
    ],
)
def test_an_item_that_is_wrong_names_the_member(item: dict[str, object], place: str, reason: str) -> None:
    with pytest.raises(InvalidValue, match=reason) as refused:
        read_item(item)
    assert refused.value.path == place


def test_changes_are_those_that_an_update_has_to_say() -> None:
    known = to_item(Product(id="001", name="Cola", price=Decimal("3.2"), promote_price=Decimal(2), unknown={"tax": 1}))
    cola = without_empty(to_item(COLA))

    def update(wanted: dict[str, Any], confirmed: dict[str, Any]) -> Any:
        change = find_change(wanted, confirmed)
        return {} if change is None else change.fields

    assert update({**known, "promote_price": Decimal(3)}, known) == {"id": "001", "promote_price": Decimal(3)}
    assert update(cola, cola) == {}
    assert update(known, cola) == {"id": "001", "promote_price": Decimal(2), "tax": 1}
    assert update(cola, known) == {"id": "001", "promote_price": Decimal("3.2"), "tax": ""}, "no value any more"
    assert update(merge_fields(known, {"id": "001"}), known) == {}
