"""The words by which lists name their columns, and the mapping of a source that has words of its own."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Self

from firmware_tools.language import message
from firmware_tools.list_rows import SEPARATORS, normalize_heading
from firmware_tools.text_decoding import ENCODINGS
from gateway.errors import FieldError, InvalidRequest
from gateway.products.number_style import DecimalMark
from gateway.products.product import PRICE_FIELDS

TIME_FIELDS: Final = ("valid_from", "valid_until")
"""Columns that are kept beside a product and never sent."""

HEADINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "id": (
        "product id", "product number", "product no", "product code", "item id", "item number", "item no", "item code",
        "article number", "article no", "sku", "sku code", "goods id", "goods no", "plu", "code", "number",
        "商品编码", "商品编号", "商品代码", "商品ID", "商品号", "产品编码", "产品编号", "货品编码", "货品编号", "货号",
        "物料编码", "编码", "编号", "品号",
    ),
    "name": (
        "product name", "item name", "goods name", "product", "品名", "商品名称", "商品名", "产品名称",
        "货品名称", "名称", "商品",
    ),
    "seq_num": ("sequence number", "sequence", "serial number", "no", "序号", "顺序号", "排序", "流水号"),
    "bar_code": (
        "bar code", "barcode", "ean", "ean code", "ean13", "ean-13", "gtin", "upc", "条码", "条形码", "商品条码",
        "商品条形码", "国际条码", "国条码", "69码", "主条码",
    ),
    "alias": ("short name", "other name", "别名", "简称", "商品简称", "商品别名"),
    "spec": ("specification", "specifications", "size", "pack size", "规格", "商品规格", "规格型号"),
    "unit": ("unit of measure", "uom", "单位", "计量单位", "销售单位", "商品单位"),
    "level": ("grade", "quality", "等级", "商品等级", "级别"),
    "area": ("origin", "place of origin", "country of origin", "产地", "商品产地", "原产地"),
    "brand": ("brand name", "品牌", "商品品牌", "品牌名称"),
    "qr_code": ("qr", "qr link", "qr url", "二维码", "二维码链接", "二维码地址"),
    "price": (
        "selling price", "sale price", "sales price", "retail price", "unit price", "current price", "售价", "销售价",
        "销售价格", "零售价", "零售价格", "价格", "单价", "现价", "标准售价",
    ),
    "promote_price": (
        "promotion price", "promotional price", "promo price", "offer price", "special price", "促销价", "促销价格",
        "特价", "活动价", "优惠价",
    ),
    "member_price": ("member price", "members price", "club price", "loyalty price", "会员价", "会员价格", "会员售价"),
    "expire_time": (),  # the vendor's number: dates under the usual words are none
    "valid_from": (
        "valid from", "from", "start", "start time", "start date", "生效时间", "开始时间", "开始日期", "生效日期",
    ),
    "valid_until": (
        "valid until", "valid to", "until", "end", "end time", "end date", "失效时间", "结束时间", "结束日期",
        "失效日期",
    ),
}  # fmt: skip
"""The words for each field beside its own name. Case, spaces, punctuation and full-width forms make no difference."""

_REMARKS: Final = ("", "必填", "选填", "required", "optional")
_CURRENCIES: Final = ("元", "人民币", "rmb", "cny", "eur", "euro", "usd", "gbp", "hkd")
"""What stands behind a heading, often in brackets: `售价（元）`. Signs such as € make no difference anyway."""

KNOWN_HEADINGS: Final = {
    normalize_heading(word + remark): name
    for name, words in HEADINGS.items()
    for word in (name, *words)
    for remark in (*_REMARKS, *(_CURRENCIES if name in PRICE_FIELDS else ()))
}
"""The field of each normalised heading."""

_FIELD_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
MAX_MAPPED_COLUMNS: Final = 200
"""How many columns a mapping has at most."""
_MAX_HEADING_CHARACTERS: Final = 200


class ListColumn(NamedTuple):
    """A column of a list that is used."""

    field: str
    """The field of the product; one that the vendor does not declare passes through."""
    heading: str
    """Its heading in the list."""
    place: int
    """Where it stands, from 0."""
    is_required: bool
    """Whether no cell may be empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMapping:
    """How one source of lists names its columns and writes its files. What is not said is recognised."""

    columns: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The field of each heading; empty for a column that shall be ignored. A field that the vendor does not declare
    passes through."""
    decimal: Mapping[str, DecimalMark] = field(default_factory=lambda: MappingProxyType({}))
    """What stands before the decimals, by field."""
    encoding: str | None = None
    """A key of `ENCODINGS`."""
    separator: str | None = None
    """A key of `SEPARATORS`, as `;`."""
    sheet: str | None = None
    """Name of the sheet of a workbook."""

    @classmethod
    def from_options(cls, options: Iterable[str]) -> Self:
        """Read `COLUMN=FIELD` of each option, with `:comma` or `:point` for its decimals. Raises `InvalidRequest`."""
        columns: dict[str, str] = {}
        decimal: dict[str, str] = {}
        errors: list[FieldError] = []
        for option in options:
            heading, equals, rest = option.rpartition("=")
            name, _, mark = rest.partition(":")
            if not equals or not heading.strip():
                errors.append(FieldError("map", message("write COLUMN=FIELD, not {text}", text=option[:80])))
                continue
            columns[heading.strip()] = name.strip()
            if mark:
                decimal[name.strip()] = mark.strip()
        if errors:
            raise InvalidRequest(errors)
        return cls.from_document({"columns": columns, "decimal": decimal})

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read what `to_document` returned. Raises `InvalidRequest` with every fault."""
        errors = list(_find_errors(document))
        if errors:
            raise InvalidRequest(errors)
        return cls(
            columns=MappingProxyType(dict(document.get("columns") or {})),
            decimal=MappingProxyType(
                {name: DecimalMark(mark) for name, mark in (document.get("decimal") or {}).items()}
            ),
            encoding=document.get("encoding"),
            separator=document.get("separator"),
            sheet=document.get("sheet"),
        )

    def to_document(self) -> dict[str, Any]:
        """Return the mapping as JSON, without what is not said."""
        document: dict[str, Any] = {
            "columns": dict(self.columns),
            "decimal": {name: str(mark) for name, mark in self.decimal.items()},
            "encoding": self.encoding,
            "separator": self.separator,
            "sheet": self.sheet,
        }
        return {name: value for name, value in document.items() if value}

    def combine(self, newer: Self) -> Self:
        """Return this mapping with what a newer one says."""
        return replace(
            self,
            columns=MappingProxyType({**self.columns, **newer.columns}),
            decimal=MappingProxyType({**self.decimal, **newer.decimal}),
            encoding=newer.encoding or self.encoding,
            separator=newer.separator or self.separator,
            sheet=newer.sheet or self.sheet,
        )

    def make_headings(self) -> dict[str, str]:
        """Return the field of each normalised heading. What the mapping says takes the place of the usual words."""
        own = {normalize_heading(heading): name for heading, name in self.columns.items()}
        named = set(own.values())
        return {heading: name for heading, name in KNOWN_HEADINGS.items() if name not in named} | own


def _find_errors(document: Mapping[str, Any]) -> Iterable[FieldError]:
    unknown = document.keys() - {"columns", "decimal", "encoding", "separator", "sheet"}
    yield from (FieldError(str(name)[:80], message("is not known")) for name in sorted(unknown))
    columns, decimal = document.get("columns", {}), document.get("decimal", {})
    if not isinstance(columns, Mapping) or len(columns) > MAX_MAPPED_COLUMNS:
        yield FieldError("columns", message("must be an object with at most {max} members", max=MAX_MAPPED_COLUMNS))
        columns = {}
    for heading, name in columns.items():
        if not normalize_heading(heading) or len(heading) > _MAX_HEADING_CHARACTERS:
            yield FieldError(
                "columns",
                message("must have letters or digits, and at most {max} characters", max=_MAX_HEADING_CHARACTERS),
            )
        elif not isinstance(name, str) or (name and not _FIELD_NAME.fullmatch(name)):
            yield FieldError(f"columns.{heading}", message("must be the name of a field, such as bar_code"))
    if not isinstance(decimal, Mapping):
        yield FieldError("decimal", message("must be an object"))
        decimal = {}
    for name, mark in decimal.items():
        if name not in PRICE_FIELDS:
            yield FieldError(
                f"decimal.{name}"[:80], message("must be one of {allowed}", allowed=", ".join(PRICE_FIELDS))
            )
        elif mark not in [*DecimalMark]:
            yield FieldError(f"decimal.{name}", message("must be one of {allowed}", allowed=", ".join(DecimalMark)))
    for key, allowed in (("encoding", ENCODINGS), ("separator", SEPARATORS)):
        if document.get(key) not in (None, *allowed):
            yield FieldError(key, message("must be one of {allowed}", allowed=", ".join(map(repr, allowed))))
    if not isinstance(document.get("sheet") or "", str):
        yield FieldError("sheet", message("must be text"))
