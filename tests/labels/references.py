"""Pictures of the included templates: `python tests/labels/references.py SHEET.png` writes their hashes and a sheet.

Look at the sheet before you commit new hashes: a shop hangs these pictures on its shelves.
"""

import datetime
import io
import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from PIL import Image, features

from gateway.labels.content import ProductContent
from gateway.labels.draw import draw_label
from gateway.labels.fonts import Fonts, load_fonts
from gateway.labels.models import LABEL_MODELS
from gateway.labels.picture import LabelPicture
from gateway.labels.template import load_included_templates

HASHES = Path(__file__).with_name("references.json")
MARGIN = 16

WATER = ProductContent(
    id="1001",
    name="农夫山泉饮用天然水",
    name_en="Nongfu Spring natural drinking water",
    brand="农夫山泉",
    spec="550 ml",
    unit="瓶",
    level="一级",
    area="浙江千岛湖",
    bar_code="6921168509256",
    qr_code="https://shop.example/p/6921168509256",
    price=Decimal("2.50"),
    member_price=Decimal("1.90"),
    unit_price=Decimal("0.45"),
    unit_price_measure="100 ml",
    expire_time=datetime.date(2027, 5, 1),
    more={"description": "取自千岛湖水面下深层湖水，口感甘甜。请置于阴凉干燥处，开瓶后请尽快饮用。"},
)
"""A product with a short name and all of its details."""
OIL = ProductContent(
    id="1002",
    name="鲁花 5S 压榨一级花生油 5 升装 家庭装 非转基因",
    name_en="Luhua 5S first-grade pressed peanut oil, 5 l family bottle",
    brand="鲁花",
    spec="5 L",
    unit="桶",
    area="山东莱阳",
    bar_code="6916168616363",
    price=Decimal("1159.90"),
    promote_price=Decimal("1139.90"),
    member_price=Decimal("1129.50"),
    promotion="第二件半价",
    valid_from=datetime.date(2026, 12, 1),
    valid_until=datetime.date(2026, 12, 7),
    more={"back_on": "12月3日"},
)
"""A product with a long name and a high price."""


def draw_references(fonts: Fonts) -> Iterator[tuple[str, LabelPicture]]:
    """Yield the pictures of every template for every model, by name."""
    for template in load_included_templates().values():
        for model in LABEL_MODELS.values():
            for product in (WATER, OIL):
                picture = draw_label(template, model, product, fonts)
                yield f"{template.name} {model.name} {product.id}", picture


def describe_renderer(fonts: Fonts) -> str:
    """Return what the pixels of letters depend on."""
    return f"{fonts.name}, FreeType {features.version('freetype2')}"


def make_sheet(pictures: dict[str, LabelPicture]) -> Image.Image:
    """Return all pictures side by side, a row for each template and product."""
    rows: dict[tuple[str, str], list[Image.Image]] = {}
    for name, picture in pictures.items():
        template, _, product = name.split()
        rows.setdefault((template, product), []).append(Image.open(io.BytesIO(picture.png)).convert("RGB"))
    width = max(sum(image.width + MARGIN for image in row) for row in rows.values()) + MARGIN
    height = sum(max(image.height for image in row) + MARGIN for row in rows.values()) + MARGIN
    sheet = Image.new("RGB", (width, height), (170, 180, 190))
    y = MARGIN
    for row in rows.values():
        x = MARGIN
        for image in row:
            sheet.paste(image, (x, y))
            x += image.width + MARGIN
        y += max(image.height for image in row) + MARGIN
    return sheet


def main() -> None:
    """Write the hashes, and the sheet to the file that is given."""
    fonts = load_fonts()
    pictures = dict(draw_references(fonts))
    hashes = {name: picture.pixel_hash for name, picture in pictures.items()}
    document = {"renderer": describe_renderer(fonts), "pictures": hashes}
    HASHES.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    make_sheet(pictures).save(sys.argv[1])
    for name, picture in pictures.items():
        for report in picture.reports:
            sys.stdout.write(f"{name}: {report.box}: {report.message}\n")


if __name__ == "__main__":
    main()
