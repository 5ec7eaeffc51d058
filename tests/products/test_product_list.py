"""Lists of products as tills and spreadsheets save them: the good is taken, the bad is named by row and field."""

import csv
import io
import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_tools.list_rows import normalize_heading
from gateway.errors import InvalidRequest, TooLarge
from gateway.products.columns import HEADINGS, KNOWN_HEADINGS, ColumnMapping
from gateway.products.number_style import DecimalMark
from gateway.products.product import Product
from gateway.products.product_list import (
    MAX_FAULTS,
    MAX_LIST_BYTES,
    ProductList,
    read_in_chunks,
    read_product_file,
    read_product_list,
)

GOOD_CODE = "6901234567892"


def read(content: bytes | str, mapping: ColumnMapping | None = None, *, is_partial: bool = False) -> ProductList:
    data = content.encode() if isinstance(content, str) else content
    return read_product_list(data, file_name="list.csv", mapping=mapping, is_partial=is_partial)


def errors(content: bytes | str, mapping: ColumnMapping | None = None) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as refused:
        read(content, mapping)
    return {one.parameter: str(one.reason) for one in refused.value.field_errors}


def list_faults(found: ProductList) -> list[tuple[int, str, str]]:
    return [(fault.row, fault.field, fault.value) for fault in found.faults]


def test_a_list_in_chinese_is_read_as_it_is() -> None:
    found = read("商品编码,条码,品名,规格,售价,会员价\n001,6901234567892,可乐🥤,330ml,3.20,\n".encode())
    assert found.products == (
        Product(
            id="001", name="可乐🥤", bar_code=GOOD_CODE, spec="330ml", price=Decimal("3.20"),
            emptied=frozenset({"member_price"}),
        ),
    )  # fmt: skip
    assert (found.rows, found.faults, found.notices) == ((2,), (), ())
    assert found.columns["bar_code"] == "条码"


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gbk", "gb18030"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_encoding_and_separator_are_recognised(codec: str, separator: str) -> None:
    text = separator.join(("商品编码", "品名", "售价")) + "\r\n" + separator.join(("1", "苹果", "12.50")) + "\r\n"
    found = read(text.encode(codec))
    assert found.products == (Product(id="1", name="苹果", price=Decimal("12.50")),)
    names = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
    encoding = "UTF-16" if "16" in codec else "UTF-8" if "8" in codec and "gb" not in codec else "GBK"
    assert (found.format.encoding, found.format.separator) == (encoding, names[separator])


@pytest.mark.parametrize(
    ("cells", "mark", "prices"),
    [
        (("12.50", "3"), DecimalMark.POINT, ("12.50", "3.00")),
        (("12,50", "3"), DecimalMark.COMMA, ("12.50", "3.00")),
        (("1.234,50", "1.234"), DecimalMark.COMMA, ("1234.50", "1234.00")),
        (("1,234.50", "1,234"), DecimalMark.POINT, ("1234.50", "1234.00")),
        (("1,234,567", "1,234"), DecimalMark.POINT, ("1234567.00", "1234.00")),
        (("1 234,5", "1\u00a0234"), DecimalMark.COMMA, ("1234.50", "1234.00")),
        (("1'234.50", "1\u2019234"), DecimalMark.POINT, ("1234.50", "1234.00")),
        (("¥12.50", "￥ 3"), DecimalMark.POINT, ("12.50", "3.00")),
        (("12,50 €", "EUR 3"), DecimalMark.COMMA, ("12.50", "3.00")),
        (("12.50元", "$3.1"), DecimalMark.POINT, ("12.50", "3.10")),
        (("0,125", "0,5"), DecimalMark.COMMA, (None, "0.50")),
        (("\uff11\uff12\uff0e\uff15\uff10", "3"), DecimalMark.POINT, ("12.50", "3.00")),
        (("+1.10", "1.100"), DecimalMark.POINT, ("1.10", "1.10")),
        (("12", "3"), None, ("12.00", "3.00")),
    ],
)
def test_the_column_tells_what_stands_before_decimals(
    cells: tuple[str, str], mark: DecimalMark | None, prices: tuple[str | None, str]
) -> None:
    found = read(f"id\tname\tprice\n1\ta\t{cells[0]}\n2\tb\t{cells[1]}\n")
    assert found.decimal.get("price") == mark
    assert [str(product.price) for product in found.products] == [price for price in prices if price]


def test_a_column_that_can_be_read_in_two_ways_is_refused_until_the_mapping_says() -> None:
    text = 'id,name,售价\n1,a,"1,234"\n2,b,5\n'
    assert "column 售价: 1,234 in row 2 can be read in two ways" in errors(text)["price"]
    for mark, price in (("comma", "1.23"), ("point", "1234.00")):
        mapping = ColumnMapping.from_options([f"售价=price:{mark}"])
        found = read(text.replace("1,234", "1,230") if mark == "comma" else text, mapping)
        assert str(found.products[0].price) == price
    contradiction = errors('id,name,price\n1,a,"1,50"\n2,b,1.50\n')["price"]
    assert "row 2 has 1,50 and row 3 has 1.50" in contradiction
    chosen = read('id,name,price\n1,a,"1,50"\n2,b,1.50\n', ColumnMapping(decimal={"price": DecimalMark.POINT}))
    assert list_faults(chosen) == [(2, "price", "1,50")]


@pytest.mark.parametrize(
    ("cell", "field", "reason"),
    [
        ("-1", "price", "at least 0"),
        ("(1.50)", "price", "must be a number"),
        ("", "price", "is missing"),
        ("ask", "price", "must be a number"),
        ("1.505", "price", "at most 2 digits"),
        ("1e3", "price", "must be a number"),
        ("1,23,456", "price", "must be a number"),
        ("9" * 50, "price", "must be a number"),
        ("=A1*2", "price", "is a formula"),
        ("#N/A", "name", "an error of the spreadsheet"),
        ("", "id", "is missing"),
        ("1.2E+17", "id", "digits are lost"),
        ("x" * 200, "id", "at most 128 characters"),
        ("1\n2", "id", "control character"),
        ("", "name", "is missing"),
        ("a\0b", "name", "control character U\\+0000"),
        ("a\x1bb", "name", "control character U\\+001B"),
        ("=B2", "name", "is a formula"),
        ("x" * 3000, "name", "at most 2000 characters, not 3000"),
        ("6.9E+12", "bar_code", "digits are lost"),
        ("6901234567891.0", "bar_code", "check digit of 6901234567891 is wrong"),
        ("6900000000000,0", "bar_code", "check digit"),
        ("soon", "expire_time", "must be an integer"),
        ("31.12.2026", "valid_from", "must be a date"),
        ("2026-02-30", "valid_from", "must be a date"),
    ],
)
def test_a_bad_cell_is_named_and_the_other_rows_are_taken(cell: str, field: str, reason: str) -> None:
    row = {"id": "7", "name": "a", "price": "1.00", field: cell}
    file = io.StringIO()
    writer = csv.DictWriter(file, list(row))
    writer.writeheader()
    writer.writerows([{**row, "id": "1", field: {"id": "1", "name": "a", "price": "1.00"}.get(field, "")}, row])
    found = read(file.getvalue())
    [fault] = found.faults
    assert (fault.row, fault.column, fault.field) == (3, field, field)
    assert len(fault.value) <= 41
    assert fault.value.isprintable()
    assert (found.bad_row_count, found.fault_count, found.rows) == (1, 1, (2,))
    assert re.search(reason, fault.reason)


def test_rows_count_as_a_spreadsheet_does() -> None:
    found = read('sep=;\nShop 7;;\n;;\nid;name;price\n1;"a\nb";x\n;;\n2;c;-1\n')
    assert [fault.row for fault in found.faults] == [4, 6]
    assert "line breaks in 1 cell, in row 4" in found.notices[1]
    assert found.notices[0] == "row 1 stands before the headings, and is not used"


def test_both_rows_of_one_id_are_named_and_none_is_taken() -> None:
    found = read("id,name,price\n1,a,1\n2,b,1\n1,c,1\n1,d,1\n")
    assert [(fault.row, fault.field) for fault in found.faults] == [(2, "id"), (4, "id"), (5, "id")]
    assert [fault.reason for fault in found.faults] == [
        "two products have this id: row 4 has it too",
        "two products have this id: row 2 has it too",
        "two products have this id: row 2 has it too",
    ]
    assert [product.id for product in found.products] == ["2"]


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("6901234567892.0", GOOD_CODE),
        ("6.901234567892E+12", GOOD_CODE),
        ("12345678905.0", "012345678905"),
        ("00012345", "00012345"),
        ("ABC-1", "ABC-1"),
        ('="0690"', "0690"),
    ],
)
def test_bar_codes_are_text_whatever_programs_made_of_them(cell: str, code: str) -> None:
    assert read(f"id\tname\tprice\tean\n1\ta\t1\t{cell}\n").products[0].bar_code == code


def test_a_dash_stands_for_no_price_where_none_is_needed() -> None:
    found = read("id,name,price,member price\n1,a,1,-\n2,b,-,2\n3,c,1,?\n")
    assert found.products[0].emptied == {"member_price"}
    assert list_faults(found) == [(3, "price", "-"), (4, "member_price", "?")]


def test_a_wrong_check_digit_is_said_and_the_product_is_taken() -> None:
    found = read("id,name,price,ean\n1,a,1,6901234567891\n2,b,1,6901234567892\n")
    assert len(found.products) == 2
    assert "check digit of 1 bar code is wrong, in row 2" in found.notices[0]


def test_ids_that_a_program_made_numbers_of_are_whole_again() -> None:
    assert [product.id for product in read("id,name,price\n12.0,a,1\n1.5,b,1\n").products] == ["12", "1.5"]


@pytest.mark.parametrize(
    "heading", ["售价（元）", "销售价/元", "Price (EUR)", "RETAIL PRICE [€]", "价格*", "零售价 (必填)"]
)
def test_remarks_behind_a_heading_make_no_difference(heading: str) -> None:
    assert read(f"id,name,{heading}\n1,a,2\n").columns["price"] == heading


def test_a_word_means_one_field() -> None:
    for name, words in HEADINGS.items():
        assert {KNOWN_HEADINGS[normalize_heading(word)] for word in (name, *words)} == {name}


def test_a_number_is_that_of_the_product() -> None:
    assert read("number,name,price\n7,a,1\n").products == (Product(id="7", name="a", price=Decimal(1)),)


def test_columns_that_are_not_known_are_named_and_those_that_are_needed_asked_for() -> None:
    assert read("id,name,price,cost\n1,a,1,0.5\n").notices == ("column cost is not known, and not used",)
    missing = errors("id,colour\n1,red\n")
    assert missing.keys() == {"name", "price"}
    assert (
        "the headings found are id, colour; map the right one: COLUMN=price, or call it price in the list"
        in missing["price"]
    )
    mapped = ColumnMapping.from_options(["Artikel=id"])
    with pytest.raises(InvalidRequest, match="no column is Artikel, as the mapping calls this; the headings found are"):
        read("id,name,price\n1,a,1\n", mapping=mapped)
    assert "品名 and 商品名称 are both columns for name" in errors("id,品名,商品名称,price\n1,a,b,1\n")["name"]
    assert read("id,price\n1,2\n", is_partial=True).products == (Product(id="1", price=Decimal(2)),)


def test_a_mapping_says_what_columns_are() -> None:
    mapping = ColumnMapping.from_options(["Nr=id", "Text=name", "VK=price:comma", "Steuer=tax_rate", "Notiz="])
    assert ColumnMapping.from_document(mapping.to_document()) == mapping
    found = read("Nr;Text;VK;Steuer;Notiz\n1;a;1.234;19;x\n", mapping)
    [product] = found.products
    assert (product.price, product.unknown, found.notices) == (Decimal(1234), {"tax_rate": "19"}, ())
    renamed = read("商品编码,货号,name,price\n1,A7,a,1\n", ColumnMapping(columns={"货号": "id"}))
    assert renamed.products[0].id == "A7"
    assert ColumnMapping(columns={"a": "id"}).combine(mapping).columns == {"a": "id", **mapping.columns}


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"columns": {"a": "No Field"}}, "columns.a"),
        ({"columns": {"": "id"}}, "columns"),
        ({"columns": []}, "columns"),
        ({"decimal": {"name": "comma"}}, "decimal.name"),
        ({"decimal": {"price": "dot"}}, "decimal.price"),
        ({"encoding": "rot13"}, "encoding"),
        ({"separator": "x"}, "separator"),
        ({"sheet": 7}, "sheet"),
        ({"colums": {}}, "colums"),
    ],
)
def test_a_mapping_that_is_wrong_names_its_member(document: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        ColumnMapping.from_document(document)
    assert [one.parameter for one in refused.value.field_errors] == [place]


@pytest.mark.parametrize("option", ["id", "=id", "  =id"])
def test_an_option_that_maps_nothing_is_refused(option: str) -> None:
    with pytest.raises(InvalidRequest, match="COLUMN=FIELD"):
        ColumnMapping.from_options([option])


def test_times_are_kept_beside_the_product() -> None:
    head = "id\tname\tprice\tvalid_from\tvalid_until\n"
    [day] = read(f"{head}1\ta\t1\t2026-12-01\t2026/12/31\n").products
    assert (day.valid_from, day.valid_until) == (datetime(2026, 12, 1), datetime(2027, 1, 1))  # noqa: DTZ001
    [hour] = read(
        f"{head}1\ta\t1\t2026年12月1日 8:30\t2026-12-01T09:00:00+08:00\n".replace("8:30", "8:30+08:00")
    ).products
    assert hour.valid_from == datetime(2026, 12, 1, 8, 30, tzinfo=timezone(timedelta(hours=8)))
    bad = read(f"{head}1\ta\t1\t2026-12-02\t2026-12-01\n2\ta\t1\t2026-12-01\t2026-12-01T09:00:00+08:00\n")
    assert list_faults(bad) == [
        (2, "valid_until", "2026-12-02 00:00:00"),
        (3, "valid_until", "2026-12-01 09:00:00+08:00"),
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the list is empty"),
        (b"\n;;\n", "the list is empty"),
        (b"id,name,price\n,,\n", "the list has headings, but no products"),
        (b"\xff\xff\x00", "no text"),
        (b"id,name,price\n1,Cr\xe8me,1\n", "no text"),
        (b'id,name,price\n1,"open,1\n' + b"2,b,1\n" * 50_000, "line 2: a quotation mark is out of place"),
        (b"id,name,price\n" + b"," * 2000 + b"x\n", "more than 1024 columns"),
    ],
)
def test_what_is_no_list_is_refused(data: bytes, reason: str) -> None:
    assert reason in errors(data)["list"]


def test_a_list_is_bounded_in_size_rows_and_faults() -> None:
    with pytest.raises(TooLarge, match=r"larger than 67\.1 MB"):
        read(bytes(MAX_LIST_BYTES + 1))
    with pytest.raises(TooLarge, match="more than 100000 rows"):
        read(b"id,name,price\n" + b"1,a,1\n" * 100_001)
    found = read(b"id,name,price\n" + b"1,,\n" * 2000)
    assert (len(found.faults), found.fault_count, found.bad_row_count) == (MAX_FAULTS, 4000, 2000)


def test_a_caller_can_pause_between_chunks() -> None:
    steps = read_in_chunks(b"id,name,price\n" + b"".join(b"%d,a,1\n" % n for n in range(1200)), file_name="list.csv")
    assert list(steps) == [500, 1000, 500, 1000]


TEXTS = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Cn", "Co", "Zs", "Zl", "Zp", "Cf"]), min_size=1, max_size=12
).map(lambda text: f"品{text}名")
PRICES = st.decimals(min_value=0, max_value=Decimal("99999999.99"), places=2)


@given(
    rows=st.lists(st.tuples(TEXTS, PRICES, PRICES | st.none()), min_size=1, max_size=6),
    codec=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030"]),
    separator=st.sampled_from([",", ";", "\t", "|"]),
    comma=st.booleans(),
    groups=st.sampled_from(["", "other", " ", "'"]),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_products_come_back_from_any_way_of_saving_them(
    rows: list[tuple[str, Decimal, Decimal | None]],
    codec: str,
    separator: str,
    comma: bool,
    groups: str,
    line_end: str,
) -> None:
    mark, other = (",", ".") if comma else (".", ",")

    def write(price: Decimal | None) -> str:
        if price is None:
            return ""
        whole, _, fraction = f"{price:,.2f}".partition(".")
        return whole.replace(",", other if groups == "other" else groups) + mark + fraction

    products = tuple(
        Product(
            id=f"00{number}", name=name, price=price, promote_price=promotion,
            emptied=frozenset() if promotion is not None else frozenset({"promote_price"}),
        )
        for number, (name, price, promotion) in enumerate(rows)
    )  # fmt: skip
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=separator, lineterminator=line_end)
    writer.writerow(["商品编码", "品名", "售价", "促销价"])
    writer.writerows([one.id, one.name, write(one.price), write(one.promote_price)] for one in products)
    found = read(file.getvalue().encode(codec))
    assert found.faults == ()
    assert found.products == products


@given(data=st.binary(max_size=300) | st.text('",;\t\r\n=E+1.-¥aidnmepric 售价', max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for content in (data, b"id,name,price\n" + data, b"id;name;price;ean;valid_until\n1;a;1;" + data):
        try:
            found = read(content)
        except InvalidRequest:
            continue
        assert len({product.id for product in found.products}) == len(found.products) == len(found.rows)


def test_a_file_is_read_no_further_than_allowed(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    with path.open("wb") as file:
        file.truncate(200_000_000)
    content = read_product_file(path)
    assert len(content) == MAX_LIST_BYTES + 1
    with pytest.raises(TooLarge):
        read(content)
