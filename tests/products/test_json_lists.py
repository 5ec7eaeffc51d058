"""Lists of products as JSON."""

from decimal import Decimal

import pytest

from gateway.errors import InvalidRequest
from gateway.products.columns import ColumnMapping
from gateway.products.product import Product
from gateway.products.product_list import ProductList, read_product_list
from gateway.protocol import json_text


def read(text: str | bytes, mapping: ColumnMapping | None = None) -> ProductList:
    data = text.encode() if isinstance(text, str) else text
    return read_product_list(data, file_name="list.json", mapping=mapping)


@pytest.mark.parametrize("frame", ["[{}]", ' {"product_list" : [{}]}', '{"products":[{}], "more": 1}', "\ufeff[{} ]\n"])
def test_the_vendors_objects_are_read(frame: str) -> None:
    element = (
        '{"id":"001","name":"Cola","price":3.20,"member_price":"3","promote_price":"","brand":null,"expire_time":5}'
    )
    found = read(frame.replace("{}", element))
    assert found.products == (
        Product(
            id="001", name="Cola", price=Decimal("3.20"), member_price=Decimal(3), expire_time=5,
            emptied=frozenset({"promote_price"}),
        ),
    )  # fmt: skip
    assert found.format.encoding == "JSON"


def test_members_have_the_words_of_columns_and_others_pass_if_the_mapping_says_so() -> None:
    text = '[{"商品编码":7,"品名":"a","售价":1e1,"税":{"rate":0.19}},{"商品编码":"8","品名":"b","售价":"2"}]'
    assert read(text).notices == ("column 税 is not known, and not used",)
    found = read(text, ColumnMapping(columns={"税": "tax"}))
    assert found.products[0] == Product(id="7", name="a", price=Decimal(10), unknown={"tax": {"rate": Decimal("0.19")}})
    assert found.products[1].unknown == {}
    assert read(text.encode("utf-16")).rows == (1, 2)


@pytest.mark.parametrize(
    ("member", "value", "reason"),
    [
        ("price", -1, "at least 0"),
        ("price", None, "is missing"),
        ("price", True, "must be a number, not a boolean"),
        ("price", [1], "must be a number, not an array"),
        ("price", Decimal("1e400"), "must be a number"),
        ("name", {"en": "a"}, "must be a string, not an object"),
        ("name", "a\0b", "control character"),
        ("id", False, "must be a string, not a boolean"),
    ],
)
def test_a_bad_member_is_named_by_its_element(member: str, value: object, reason: str) -> None:
    good = {"id": "1", "name": "a", "price": 1}
    found = read(json_text.dumps([good, {**good, "id": "2", member: value}]))
    [fault] = found.faults
    assert (fault.row, fault.field) == (2, member)
    assert reason in fault.reason


def test_a_lone_surrogate_is_refused_in_its_cell() -> None:
    [fault] = read(r'[{"id":"1","name":"\ud800","price":1}]').faults
    assert (fault.field, fault.reason) == ("name", "must be valid Unicode")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[", "Expecting value"),
        ("[]", "the list is empty"),
        ("{}", "a list is needed"),
        ('{"list":[]}', "a list is needed"),
        ("[1]", "element 1 is no object"),
        ('[{"id":"1"} {"id":"2"}]', "Expecting ',' delimiter"),
        ('[{"id":NaN}]', "NaN is not a JSON number"),
        ("[" * 100_000, "nested too deeply"),
        ('[{"id":' + "9" * 5000 + "}]", "JSON"),
        ('[{"id":"1","name":"a"}]', "no column is known to be this; the headings found are id, name"),
        ("[{" + ",".join(f'"k{n}":1' for n in range(2000)) + "}]", "more than 1024 members"),
    ],
)
def test_what_is_no_list_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        read(text)
