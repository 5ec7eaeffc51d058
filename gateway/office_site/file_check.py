"""Reading a file before it goes to the shops, as these will: one with a mistake goes nowhere."""

import asyncio
from typing import Final, Literal

from firmware_tools.language import count_message
from gateway.errors import FieldError, InvalidRequest
from gateway.office.desired import PRODUCTS, template_part

_MAX_SHOWN: Final = 5


async def check_file(kind: Literal["products", "templates"], name: str, content: bytes, *, is_partial: bool) -> str:
    """Return the part of the desired state that a file is. Raises `InvalidRequest`, which names what is wrong."""
    if kind == "templates":
        from gateway.labels.template import parse_template

        return template_part((await asyncio.to_thread(parse_template, content, name)).name)
    from gateway.products.product_list import read_product_list

    found = await asyncio.to_thread(read_product_list, content, file_name=name, is_partial=is_partial)
    if found.fault_count:
        count = count_message(
            "{count} row is bad: correct it; nothing was sent",
            "{count} rows are bad: correct them; nothing was sent",
            found.bad_row_count,
        )
        shown = (FieldError(f"{one.row} {one.column}".strip(), one.reason) for one in found.faults[:_MAX_SHOWN])
        raise InvalidRequest([FieldError("file", count), *shown])
    return PRODUCTS
