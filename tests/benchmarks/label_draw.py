"""What a shelf label costs, as a multiple of a bare Pillow script: `python tests/benchmarks/label_draw.py`.

The script knows every place and size beforehand, so the difference is what fitting, conditions and checks cost. That
both draw the same pixels is checked first. Each label is of another product.
"""

import io
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

import segno
from barcode import EAN13
from PIL import Image, ImageDraw, ImageFont

from gateway.check_digit import compute_check_digit
from gateway.labels.content import ProductContent
from gateway.labels.draw import draw_label
from gateway.labels.fonts import SYSTEM_FONTS, load_fonts
from gateway.labels.models import LABEL_MODELS
from gateway.labels.template import load_included_templates
from tests.labels.references import WATER

FONT = SYSTEM_FONTS[0].path
MAX_RATIO = 2.0
PRODUCTS = 100
ROUNDS = 7
SIGNS = "农夫山泉饮用天然水花生油压榨一级家庭装非转基因酱醋茶米面糖"
PALETTE = bytes((255, 255, 255, 0, 0, 0, 255, 0, 0))


class Places(NamedTuple):
    """Where the bare script draws what, and in which size."""

    size: tuple[int, int]
    name: tuple[int, int, int]
    lines: tuple[tuple[str, int, int, int], ...]
    rule: tuple[int, int, int, int]
    price: tuple[tuple[int, int, int], ...]
    bars: tuple[int, int, int, int]
    number: tuple[int, int, int]
    qr: tuple[int, int, int] | None


PLACES = {
    "SL121": Places(
        (212, 104),
        (4, 22, 22),
        (("规格：{spec}", 4, 45, 12), ("产地：{area}", 4, 61, 12), ("¥{unit_price}/{measure}", 135, 97, 12)),
        (4, 31, 207, 31),
        ((124, 75, 24), (142, 75, 48), (182, 56, 24)),
        (11, 67, 1, 22),
        (17, 100, 11),
        None,
    ),
    "SL142": Places(
        (400, 300),
        (10, 51, 36),
        (
            ("规格：{spec}", 10, 108, 18),
            ("产地：{area}", 10, 134, 18),
            ("单位：{unit}", 10, 160, 18),
            ("等级：{level}", 10, 186, 18),
            ("¥{unit_price}/{measure}", 283, 195, 18),
        ),
        (10, 80, 389, 81),
        ((222, 168, 48), (255, 168, 96), (337, 131, 48)),
        (22, 220, 2, 56),
        (54, 292, 16),
        (321, 225, 2),
    ),
}


def draw_bare(places: Places, product: ProductContent, fonts: dict[int, ImageFont.FreeTypeFont]) -> bytes:
    """Return the label as PNG, drawn at fixed places."""
    image = Image.new("P", places.size, 0)
    image.putpalette(PALETTE)
    draw = ImageDraw.Draw(image)
    draw.fontmode = "1"

    def write(text: str, x: int, y: int, size: int, *, bold: bool = False) -> None:
        if bold and size >= 40:
            draw.text((x, y), text, 1, fonts[size], "ls", stroke_width=size / 40)
            return
        for offset in range(1 + bold):
            draw.text((x + offset, y), text, 1, fonts[size], "ls")

    write(product.name, *places.name, bold=True)
    draw.rectangle(places.rule, fill=1)
    for text, x, y, size in places.lines:
        values = {"spec": product.spec, "area": product.area, "unit": product.unit, "level": product.level}
        write(text.format(**values, unit_price=product.unit_price, measure=product.unit_price_measure), x, y, size)
    whole, _, cents = str(product.price).partition(".")
    for text, (x, y, size) in zip(("¥", whole + ".", cents), places.price, strict=True):
        write(text, x, y, size, bold=True)
    left, top, module, height = places.bars
    paste(image, [bytes(map(int, EAN13(product.bar_code).build()[0]))], left, top, module, height)
    write(product.bar_code, *places.number)
    if places.qr is not None:
        rows = [bytes(row) for row in segno.make_qr(product.qr_code, error="m", boost_error=False).matrix]
        left, top, module = places.qr
        paste(image, rows, left, top, module, module * len(rows))
    file = io.BytesIO()
    image.save(file, "PNG", bits=2)
    return file.getvalue()


def paste(image: Image.Image, rows: list[bytes], left: int, top: int, module: int, height: int) -> None:
    """Draw the modules of a code."""
    modules = Image.frombytes("L", (len(rows[0]), len(rows)), b"".join(rows)).point([0, *[255] * 255])
    image.paste(1, (left, top), modules.resize((len(rows[0]) * module, height), Image.Resampling.NEAREST))


def make_products() -> list[ProductContent]:
    """Return products whose texts take as much room as those of `WATER`."""
    chance = random.Random(1)
    products = []
    for number in range(PRODUCTS):
        digits = "69" + "".join(chance.choices("0123456789", k=10))
        products.append(
            replace(
                WATER,
                name="".join(chance.sample(SIGNS, len(WATER.name))),
                price=Decimal(f"2.{number:02}"),
                bar_code=digits + compute_check_digit(digits),
                qr_code=f"https://shop.example/p/{digits}0",
            )
        )
    return products


def measure(draw: Callable[[ProductContent], object], products: list[ProductContent]) -> float:
    """Return processor seconds for one label."""
    began = time.process_time()
    for product in products:
        draw(product)
    return (time.process_time() - began) / len(products)


def main() -> None:
    """Take turns and print medians and ratios."""
    ours_fonts = load_fonts(FONT)
    template = load_included_templates()["price"]
    products = make_products()
    missed = False
    for name, places in PLACES.items():
        model = LABEL_MODELS[name]
        sizes = {
            places.name[2],
            places.number[2],
            *(line[3] for line in places.lines),
            *(one[2] for one in places.price),
        }
        fonts = {size: ImageFont.truetype(FONT, size, layout_engine=ImageFont.Layout.BASIC) for size in sizes}
        drawn = Image.open(io.BytesIO(draw_label(template, model, WATER, ours_fonts).png))
        if drawn.tobytes() != Image.open(io.BytesIO(draw_bare(places, WATER, fonts))).tobytes():
            sys.exit(f"{name}: the bare script draws something else")
        ours: list[float] = []
        bare: list[float] = []
        for _ in range(ROUNDS):
            ours.append(measure(lambda product: draw_label(template, model, product, ours_fonts), products))  # noqa: B023
            bare.append(measure(lambda product: draw_bare(places, product, fonts), products))  # noqa: B023
        ratio = statistics.median(ours) / statistics.median(bare)
        print(f"{name}: {statistics.median(ours) * 1000:.2f} ms a label, {ratio:.2f} times a bare Pillow script")
        missed |= ratio > MAX_RATIO
    sys.exit(missed)


if __name__ == "__main__":
    main()
