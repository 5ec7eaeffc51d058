"""Finished pictures: their size and colours, what a scanner reads in them, and what is reported or refused."""

import contextlib
import datetime
import io
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gateway.errors import SettingsError
from gateway.labels.boxes import BarCodeBox, QrCodeBox
from gateway.labels.content import ProductContent
from gateway.labels.draw import draw_label, draw_photo
from gateway.labels.fonts import Fonts, load_fonts
from gateway.labels.models import LABEL_MODELS, LabelModel, UnknownLabelModel, find_label_model
from gateway.labels.picture import LabelNotDrawable, ReportCode
from gateway.labels.price import PriceFormat
from gateway.labels.template import PictureTemplate, load_included_templates, parse_template
from tests.labels.conftest import decode_codes, open_picture
from tests.labels.references import OIL, WATER

SMALL = LABEL_MODELS["SL121"]
TEMPLATES = list(load_included_templates().values())
EVERY_MODEL = pytest.mark.parametrize("model", LABEL_MODELS.values(), ids=lambda model: model.name)
EVERY_TEMPLATE = pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.name)


def make_template(boxes: str) -> PictureTemplate:
    return parse_template(f'models = ["SL121", "SL126+", "SL142"]\n{boxes}'.encode(), "test.toml")


def list_reports(template: PictureTemplate, content: ProductContent, fonts: Fonts) -> list[tuple[str, str]]:
    return [(str(one.code), one.box) for one in draw_label(template, SMALL, content, fonts).reports]


def test_the_models_are_those_of_the_documents() -> None:
    sizes = {model.name: (model.width, model.height, model.has_red) for model in LABEL_MODELS.values()}
    assert sizes == {
        "SL121": (212, 104, True),
        "SL126": (296, 152, True),
        "SL126+": (296, 152, False),
        "SL142": (400, 300, True),
        "SL142+": (400, 300, True),
    }
    with pytest.raises(UnknownLabelModel, match=r"SL121\+"):
        find_label_model("SL121+")


def test_the_included_templates() -> None:
    names = [template.name for template in TEMPLATES]
    assert names == ["information", "member_price", "price", "promotion", "sold_out", "two_languages"]
    assert all(list(template.layouts) == list(LABEL_MODELS) for template in TEMPLATES)


@EVERY_MODEL
@EVERY_TEMPLATE
def test_size_colours_and_codes(template: PictureTemplate, model: LabelModel, fonts: Fonts) -> None:
    for content in (WATER, OIL):
        picture = draw_label(template, model, content, fonts)
        image = open_picture(picture)
        assert (image.size, image.mode) == ((model.width, model.height), "P")
        assert image.getpalette() == [255, 255, 255, 0, 0, 0, 255, 0, 0][: 9 if model.has_red else 6]
        kinds = {type(one.box) for one in template.layouts[model.name].boxes}
        expected = {}
        if QrCodeBox in kinds and content.qr_code:
            expected["QR Code"] = content.qr_code
        if BarCodeBox in kinds and not (template.name == "information" and content.qr_code):
            expected["EAN-13"] = content.bar_code
        assert decode_codes(picture) == expected


def test_a_promotion_is_red_and_the_old_price_is_struck(fonts: Fonts) -> None:
    template = load_included_templates()["promotion"]
    placed = {one.name: one for one in template.layouts["SL121"].boxes}
    image = open_picture(draw_label(template, SMALL, OIL, fonts))
    red, black = 2, 1
    for box, color in (("price", red), ("old_price", black)):
        one = placed[box]
        area = image.crop((one.left, one.top, one.right, one.bottom))
        assert {index for _, index in area.getcolors() or []} == {0, color}
    old = placed["old_price"]
    rows = [image.crop((old.left, y, old.right, y + 1)).tobytes() for y in range(old.top, old.bottom)]
    assert max(len(max(row.split(b"\0"))) for row in rows) > 40  # the line through it
    in_black = open_picture(draw_label(template, LABEL_MODELS["SL126+"], OIL, fonts))
    assert {index for _, index in in_black.getcolors() or []} == {0, 1}


ONE_BOX = """
[boxes.text]
kind = "{kind}"
x = 30
y = 20
width = 90
height = 40
font_size = 30
{keys}
"""
OUTSIDE = [(0, 0, 212, 20), (0, 60, 212, 104), (0, 20, 30, 60), (120, 20, 212, 60)]


def assert_nothing_outside(template: PictureTemplate, content: ProductContent, fonts: Fonts) -> None:
    image = open_picture(draw_label(template, SMALL, content, fonts))
    assert all((image.crop(area).getcolors() or [])[0][1] == 0 for area in OUTSIDE)
    assert all(len(image.crop(area).getcolors() or []) == 1 for area in OUTSIDE)


KEYS = st.tuples(
    st.sampled_from(["left", "center", "right"]),
    st.sampled_from(["top", "middle", "bottom"]),
    st.booleans(),
    st.booleans(),
    st.integers(1, 4),
)


@given(text=st.text(max_size=80) | st.text(alphabet="国酱g鲁Ấ ,,。-\n", max_size=60), keys=KEYS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_text_never_leaves_its_box(text: str, keys: tuple[str, str, bool, bool, int], fonts: Fonts) -> None:
    align, valign, bold, strike, lines = keys
    boxes = ONE_BOX.format(
        kind="text",
        keys=f'field = "name"\nalign = "{align}"\nvalign = "{valign}"\nlines = {lines}\n'
        f"bold = {str(bold).lower()}\nstrike = {str(strike).lower()}",
    )
    assert_nothing_outside(make_template(boxes), ProductContent(id="1", name=text), fonts)


@given(price=st.decimals(0, 10**9, allow_nan=False), cents=st.sampled_from(["raised", "plain"]), bold=st.booleans())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_price_never_leaves_its_box(price: Decimal, cents: str, bold: bool, fonts: Fonts) -> None:
    keys = f'cents = "{cents}"\nbold = {str(bold).lower()}\nstrike = true\nalign = "right"\nvalign = "bottom"'
    template = make_template(ONE_BOX.format(kind="price", keys=keys))
    assert_nothing_outside(template, ProductContent(id="1", price=price), fonts)


TEXTS = st.text(max_size=60)
PRICES = st.none() | st.decimals() | st.decimals(0, 100_000, places=2)
DATES = st.none() | st.dates()
CONTENTS = st.builds(
    ProductContent,
    id=TEXTS,
    name=TEXTS,
    name_en=TEXTS,
    spec=TEXTS,
    unit=TEXTS,
    area=TEXTS,
    bar_code=TEXTS | st.text(alphabet="0123456789", min_size=8, max_size=14),
    qr_code=TEXTS,
    price=PRICES,
    promote_price=PRICES,
    member_price=PRICES,
    old_price=PRICES,
    unit_price=PRICES,
    unit_price_measure=TEXTS,
    promotion=TEXTS,
    valid_from=DATES,
    valid_until=DATES,
    more=st.dictionaries(st.sampled_from(["description", "back_on"]), TEXTS),
)


@given(
    content=CONTENTS, name=st.sampled_from(list(load_included_templates())), model_name=st.sampled_from([*LABEL_MODELS])
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_product_is_drawn_or_refused(content: ProductContent, name: str, model_name: str, fonts: Fonts) -> None:
    template, model = load_included_templates()[name], LABEL_MODELS[model_name]
    with contextlib.suppress(LabelNotDrawable):
        picture = draw_label(template, model, content, fonts)
        assert open_picture(picture).size == (model.width, model.height)
        assert picture == draw_label(template, model, content, fonts)


@pytest.mark.parametrize("price", ["-0.01", "NaN", "Infinity", "-Infinity", "1000000000.01", "1e400000"])
def test_what_is_no_price_is_refused_by_field(price: str, fonts: Fonts) -> None:
    content = replace(WATER, price=Decimal(price))
    with pytest.raises(LabelNotDrawable, match="price: must be a decimal from 0"):
        draw_label(load_included_templates()["price"], SMALL, content, fonts)


def test_a_missing_price_is_refused(fonts: Fonts) -> None:
    with pytest.raises(LabelNotDrawable, match=r"^price: is required"):
        draw_label(load_included_templates()["price"], SMALL, replace(WATER, price=None), fonts)


def test_a_price_is_never_shortened(fonts: Fonts) -> None:
    narrow = make_template('[boxes.sum]\nkind="price"\nx=0\ny=0\nwidth=40\nheight=30\nfont_size=20\nmin_font_size=16')
    draw_label(narrow, SMALL, replace(WATER, price=Decimal("1.50")), fonts)
    with pytest.raises(LabelNotDrawable, match=r"test: sum: the price ¥123456\.00 has no room"):
        draw_label(narrow, SMALL, replace(WATER, price=Decimal(123456)), fonts)


def test_a_price_that_is_rounded_is_reported(fonts: Fonts) -> None:
    content = replace(WATER, price=Decimal("2.505"))
    picture = draw_label(load_included_templates()["price"], SMALL, content, fonts)
    assert [(one.code, one.message) for one in picture.reports] == [
        (ReportCode.PRICE_ROUNDED, "2.505 is shown as ¥2.51")
    ]
    whole = load_included_templates()["price"].with_price_format(PriceFormat(currency="円", decimals=0))
    assert list_reports(whole, replace(WATER, price=Decimal("250.00"), unit_price=None), fonts) == []


@pytest.mark.parametrize(
    ("bar_code", "kind"),
    [
        ("6921168509256", "EAN-13"),
        ("036000291452", "EAN-13"),  # a UPC-A
        ("96385074", "EAN-8"),
        ("AB-12", "Code 128"),
        ("00012348", "EAN-8"),
    ],
)
def test_a_bar_code_is_read_as_it_was_given(bar_code: str, kind: str, fonts: Fonts) -> None:
    picture = draw_label(load_included_templates()["price"], SMALL, replace(WATER, bar_code=bar_code), fonts)
    [(found, text)] = decode_codes(picture).items()
    assert (found, text.lstrip("0")) == (kind, bar_code.lstrip("0"))


@pytest.mark.parametrize("bar_code", ["6921168509257", "12345678", "036000291453", "条码"])
def test_a_bar_code_with_a_wrong_check_digit_is_text(bar_code: str, fonts: Fonts) -> None:
    picture = draw_label(load_included_templates()["price"], SMALL, replace(WATER, bar_code=bar_code), fonts)
    assert [(one.code, one.box) for one in picture.reports] == [(ReportCode.BAR_CODE_INVALID, "bar_code")]
    assert bar_code in picture.reports[0].message
    assert decode_codes(picture) == {}


CODE_BOX = "[boxes.code]\nkind = '{kind}'\nx = 0\ny = 0\nwidth = 116\nheight = 60\n"


@pytest.mark.parametrize(
    ("kind", "content", "reason"),
    [
        ("bar_code", replace(WATER, bar_code="A1" * 13), "the bar code needs 341 pixels, and there are 116"),
        ("qr_code", replace(WATER, qr_code="x" * 900), "the QR code of 900 characters has no room"),
        ("qr_code", replace(WATER, qr_code="x" * 9000), "the QR code of 9000 characters has no room"),
    ],
)
def test_bars_of_less_than_a_pixel_are_refused_by_box(
    kind: str, content: ProductContent, reason: str, fonts: Fonts
) -> None:
    box = CODE_BOX.format(kind=kind)
    with pytest.raises(LabelNotDrawable, match=f"test: code: {reason}"):
        draw_label(make_template(box), SMALL, content, fonts)
    picture = draw_label(make_template(f"{box}required = false"), SMALL, content, fonts)
    assert [(one.code, one.message) for one in picture.reports] == [(ReportCode.CODE_LEFT_OUT, reason)]
    assert decode_codes(picture) == {}


@pytest.mark.parametrize("text", ["https://shop.example/商品/水", "ÄÖÜ", "0123456789", "价格"])
def test_a_qr_code_is_read_as_it_was_given(text: str, fonts: Fonts) -> None:
    template = make_template(CODE_BOX.format(kind="qr_code"))
    picture = draw_label(template, SMALL, ProductContent(id="1", qr_code=text), fonts)
    assert decode_codes(picture) == {"QR Code": text}


@given(text=st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=14))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_code_128_is_read_by_a_scanner(text: str, fonts: Fonts) -> None:
    template = make_template('[boxes.code]\nkind="bar_code"\nsymbology="code128"\nx=0\ny=0\nwidth="100%"\nheight=60\n')
    picture = draw_label(template, LABEL_MODELS["SL142"], ProductContent(id="1", bar_code=text), fonts)
    assert decode_codes(picture) == ({"Code 128": text.strip()} if text.strip() else {})


def test_a_sign_that_the_font_lacks_is_named_and_drawn(fonts: Fonts) -> None:
    picture = draw_label(load_included_templates()["price"], SMALL, replace(WATER, name="苹果🍎"), fonts)
    [report] = picture.reports
    assert (report.code, report.box) == (ReportCode.SIGN_MISSING, "name")
    assert report.message == "the font WenQuanYi Micro Hei has no sign 🍎 (U+1F34E)"
    without = draw_label(load_included_templates()["price"], SMALL, replace(WATER, name="苹果"), fonts)
    assert picture.pixel_hash != without.pixel_hash


def test_without_a_chinese_font_each_sign_is_reported() -> None:
    small = Fonts(None)
    template = make_template(ONE_BOX.format(kind="text", keys='field = "name"'))
    assert list_reports(template, ProductContent(id="1", name="水 Cola"), small) == [("sign_missing", "text")]


def test_conditions_and_dates(fonts: Fonts) -> None:
    keys = 'text = "至 {valid_until}"\nshown_if = ["old_price", "more.shelf"]\nhidden_if = "member_price"'
    template = make_template(ONE_BOX.format(kind="text", keys=keys))
    shown = ProductContent(id="1", old_price=Decimal(1), more={"shelf": "A"}, valid_until=datetime.date(2026, 12, 7))
    blank = draw_label(template, SMALL, ProductContent(id="1"), fonts).pixel_hash
    assert draw_label(template, SMALL, shown, fonts).pixel_hash != blank
    for hidden in (
        replace(shown, old_price=None),
        replace(shown, more={}),
        replace(shown, valid_until=None),
        replace(shown, member_price=Decimal(1)),
    ):
        assert draw_label(template, SMALL, hidden, fonts).pixel_hash == blank


def make_photo(size: tuple[int, int]) -> bytes:
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    file = io.BytesIO()
    image.save(file, "JPEG")
    return file.getvalue()


@EVERY_MODEL
def test_a_photo_is_dithered_to_the_colours_of_the_label(model: LabelModel) -> None:
    image = open_picture(draw_photo(make_photo((900, 500)), model))
    assert image.size == (model.width, model.height)
    assert {index for _, index in image.getcolors() or []} <= ({0, 1, 2} if model.has_red else {0, 1})
    counts = {index: count for count, index in image.getcolors() or []}
    assert counts[0] > 1000
    assert counts[1] > 1000


def test_a_finished_picture_stays_as_it_is(fonts: Fonts) -> None:
    for model in LABEL_MODELS.values():
        picture = draw_label(load_included_templates()["promotion"], model, OIL, fonts)
        assert draw_photo(picture.png, model).pixel_hash == picture.pixel_hash


def test_a_photo_that_would_fill_the_memory_is_refused() -> None:
    file = io.BytesIO()
    Image.new("1", (6000, 5000)).save(file, "PNG")
    assert len(file.getvalue()) < 10_000
    with pytest.raises(LabelNotDrawable, match="picture"):
        draw_photo(file.getvalue(), SMALL)


def test_what_is_transparent_is_white() -> None:
    file = io.BytesIO()
    Image.new("RGBA", (400, 300), (0, 0, 0, 0)).save(file, "PNG")
    assert open_picture(draw_photo(file.getvalue(), SMALL)).getcolors() == [(212 * 104, 0)]


def test_a_photo_in_a_box_and_one_that_is_damaged(fonts: Fonts) -> None:
    template = make_template('[boxes.photo]\nkind="photo"\nx=10\ny=10\nwidth=80\nheight=80')
    photo = make_photo((300, 300))
    assert list_reports(template, replace(WATER, photos={"photo": photo}), fonts) == []
    for damaged in (b"", b"GIF89a", photo[:200], b"\x89PNG\r\n\x1a\n" + bytes(50)):
        content = replace(WATER, photos={"photo": damaged})
        assert list_reports(template, content, fonts) == [("photo_unreadable", "photo")]
    with pytest.raises(LabelNotDrawable, match="picture"):
        draw_photo(photo[:200], SMALL)


def test_a_font_of_the_shop_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(SettingsError, match="cannot be read as a font"):
        load_fonts(Path(__file__))
