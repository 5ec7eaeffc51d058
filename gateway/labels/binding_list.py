"""Lists that say which product each label shows, as spreadsheets save them."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from firmware_tools.errors import CardError
from firmware_tools.language import describe_error, message
from firmware_tools.spreadsheet import SpreadsheetColumn, parse_spreadsheet
from gateway.errors import FieldError, InvalidRequest

_COLUMNS: Final = (
    SpreadsheetColumn("code", ("label", "esl", "label code", "价签", "价签编码", "价签码"), is_required=True),
    SpreadsheetColumn("product", ("product_id", "id", "sku", "商品", "商品编号", "货号", "编号"), is_required=True),
    SpreadsheetColumn("template", ("模板", "模版")),
    SpreadsheetColumn("model", ("label model", "型号", "价签型号")),
)


class LabelBinding(NamedTuple):
    """A row of a list."""

    row: int
    """The line of the file, from 1."""
    code: str
    """What the label is called."""
    product_id: str
    """The product."""
    template: str
    """The template; empty where the list names none."""
    model: str
    """The model of the label; empty where the list names none."""
    reasons: Sequence[str]
    """What is wrong with the row as it was read."""


def read_bindings(content: bytes, name: str) -> list[LabelBinding]:
    """Read a list. Raises `InvalidRequest` if it is none, or lacks a column."""
    try:
        sheet = parse_spreadsheet(content, name, _COLUMNS)
    except CardError as exc:
        raise InvalidRequest([FieldError("list", describe_error(exc))]) from exc
    bindings: list[LabelBinding] = []
    for row in sheet.rows:
        code, product_id = row.cells["code"], row.cells["product"]
        reasons = [one.reason for one in row.errors]
        if not (code and product_id):
            reasons.append(message("a code and a product are needed"))
        bindings.append(LabelBinding(row.line, code, product_id, row.cells["template"], row.cells["model"], reasons))
    return bindings
