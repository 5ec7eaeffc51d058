"""How long a list of products takes to be read and checked: `python tests/benchmarks/product_list.py`.

Ten thousand products as CSV, Excel and JSON, as a multiple of a bare loop over `csv.reader` that makes decimals of the
prices of the same CSV. Another thread meanwhile measures for how long it is kept from running.
"""

import csv
import functools
import io
import sys
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Final

from openpyxl import Workbook

sys.path.insert(0, str(Path(__file__).parents[2]))

from gateway.products.product_list import read_product_list
from gateway.protocol import json_text

PRODUCTS: Final = 10_000
ROUNDS: Final = 5
MAX_RATIO: Final = {"CSV": 8.0, "JSON": 10.0, "Excel": 18.0}
MAX_PAUSE_S: Final = 0.05
HEADINGS: Final = ("商品编码", "条码", "品名", "规格", "单位", "产地", "品牌", "售价", "会员价", "促销价")
FIELDS: Final = ("id", "bar_code", "name", "spec", "unit", "area", "brand", "price", "member_price", "promote_price")


def main() -> None:
    rows = [_make_row(number) for number in range(PRODUCTS)]
    file = io.StringIO()
    csv.writer(file).writerows([HEADINGS, *rows])
    text = file.getvalue()
    lists = {"CSV": text.encode("gbk"), "JSON": _save_json(rows), "Excel": _save_workbook(rows)}
    bare = _measure(lambda: _read_bare(text))
    failed = False
    print(f"{PRODUCTS} products, as a multiple of csv.reader and Decimal")
    for kind, content in lists.items():
        seconds = _measure(functools.partial(_read, content))
        pause = min(_measure_pause(content) for _ in range(ROUNDS))
        failed |= seconds / bare > MAX_RATIO[kind] or pause > MAX_PAUSE_S
        waited = f"another thread waited for {pause * 1000:.0f} ms"
        print(f"  {kind:5} {seconds / bare:5.1f}  ({seconds * 1000:.0f} ms; {waited})")
    if failed:
        sys.exit(f"missed: at most {MAX_RATIO}, and {MAX_PAUSE_S * 1000:.0f} ms")


def _make_row(number: int) -> tuple[str, ...]:
    price = Decimal(number % 5000 + 100) / 100
    return (
        f"{number:06}", f"690{number:09}0", f"商品名称{number}", f"{number % 9}00ml", "瓶", "上海",
        f"品牌{number % 50}", f"{price:.2f}", f"{price * Decimal('0.9'):.2f}", "" if number % 10 else "1.00",
    )  # fmt: skip


def _save_json(rows: list[tuple[str, ...]]) -> bytes:
    return json_text.dumps([dict(zip(FIELDS, row, strict=True)) for row in rows]).encode()


def _save_workbook(rows: list[tuple[str, ...]]) -> bytes:
    book = Workbook()
    assert book.active is not None
    for row in (HEADINGS, *rows):
        book.active.append([float(cell) if "." in cell else cell or None for cell in row])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _read_bare(text: str) -> None:
    reader = csv.reader(io.StringIO(text))
    next(reader)
    rows = [(*row[:7], *(Decimal(cell) if cell else None for cell in row[7:])) for row in reader]
    assert len(rows) == PRODUCTS


def _read(content: bytes) -> None:
    found = read_product_list(content, file_name="list")
    assert len(found.products) == PRODUCTS, found.faults[:1]


def _measure(work: Callable[[], None]) -> float:
    """Return the processor time of the quickest round."""
    seconds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    return min(seconds)


def _measure_pause(content: bytes) -> float:
    """Return for how long another thread was kept from running at most, beyond what it slept."""
    longest = 0.0
    worker = threading.Thread(target=_read, args=(content,))
    worker.start()
    while worker.is_alive():
        began = time.monotonic()
        time.sleep(0.001)
        longest = max(longest, time.monotonic() - began - 0.001)
    worker.join()
    return longest


if __name__ == "__main__":
    main()
