"""Template files: tolerantly read, and every mistake named by file, box and key."""

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import InvalidRequest
from gateway.labels import template_folder
from gateway.labels.boxes import Box
from gateway.labels.content import ProductContent
from gateway.labels.draw import draw_label
from gateway.labels.fonts import Fonts
from gateway.labels.layout import PlacedBox
from gateway.labels.models import LABEL_MODELS
from gateway.labels.price import PriceFormat
from gateway.labels.template import (
    MAX_TEMPLATE_BYTES,
    TEMPLATE_FOLDER,
    InvalidTemplate,
    TemplateDoesNotFit,
    load_template,
    parse_template,
)
from gateway.labels.template_folder import TemplateFolder

NAME = 'kind = "text"\nfield = "name"\nx = 0\ny = 0\nwidth = "50%"\nheight = 30\nfont_size = 20\n'


def find_errors(text: str) -> list[tuple[str, str]]:
    with pytest.raises((InvalidTemplate, TemplateDoesNotFit)) as caught:
        parse_template(text.encode(), "shop.toml")
    return [(one.parameter, one.reason) for one in caught.value.field_errors]


def place(text: str, model: str) -> list[PlacedBox]:
    return list(parse_template(text.encode(), "shop.toml").layouts[model].boxes)


def test_pixels_and_per_cent() -> None:
    text = f"[boxes.name]\n{NAME}"
    for model, width in (("SL121", 106), ("SL126", 148), ("SL142", 200)):
        [box] = place(text, model)
        assert (box.left, box.top, box.width, box.height) == (0, 0, width, 30)


def test_it_is_read_tolerantly() -> None:
    text = f"\ufeff[boxes.name]\r\n{NAME}".replace("font_size = 20", 'Font-Size = "20"\nColour = "Red"')
    template = parse_template(text.encode(), "shop.toml")
    box = template.layouts["SL121"].boxes[0].box
    assert (box.kind, box.model_dump()["font_size"], box.model_dump()["color"]) == ("text", 20, "red")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk"])
def test_it_may_be_saved_by_any_editor(encoding: str) -> None:
    text = f'title = "普通价签"\r\n[boxes.name]\r\n{NAME}'
    assert parse_template(text.encode(encoding), "shop.toml").title == "普通价签"


def test_a_layout_changes_boxes_for_a_size_or_a_model() -> None:
    text = (
        f"[boxes.name]\n{NAME}[layouts.296x152]\nname = {{ height = 50 }}\n"
        '[layouts."SL126+"]\nname = { font_size = 30 }\n[layouts.400x300]\nname = { hidden = true }\n'
    )
    assert [place(text, model)[0].height for model in ("SL121", "SL126", "SL126+")] == [30, 50, 50]
    assert [place(text, model)[0].box.model_dump()["font_size"] for model in ("SL126", "SL126+")] == [20, 30]
    assert place(text, "SL142") == []


@pytest.mark.parametrize(
    ("old", "new", "key", "reason"),
    [
        ("height = 30\n", "", "name.height", "is required"),
        ("x = 0", "x = -1", "name.x", 'must be pixels from 0 to 2000, or per cent as in "50%"'),
        ("x = 0", "x = 99999999999999999999999", "name.x", 'must be pixels from 0 to 2000, or per cent as in "50%"'),
        ("x = 0", "x = nan", "name.x", 'must be pixels from 0 to 2000, or per cent as in "50%"'),
        ("x = 0", 'x = "101%"', "name.x", 'must be pixels from 0 to 2000, or per cent as in "50%"'),
        ("x = 0", "x = [[[]]]", "name.x", 'must be pixels from 0 to 2000, or per cent as in "50%"'),
        ("font_size = 20", "font_size = 100000", "name.font_size", "must be less than or equal to 300"),
        ("font_size = 20", "font_size = 4", "name.font_size", "must be greater than or equal to 8"),
        ("font_size = 20", "font_size = 20\nmin_font_size = 30", "name", "min_font_size is larger than font_size"),
        ("font_size = 20", "font_size = 20\nfnot = 1", "name.fnot", "is not known"),
        ("font_size = 20", 'font_size = 20\ncolor = "blue"', "name.color", "must be 'black', 'white' or 'red'"),
        ("font_size = 20", 'font_size = 20\ntext = "x"', "name", "needs text or field, and not both"),
        ('field = "name"', "", "name", "needs text or field, and not both"),
        ('field = "name"', 'text = "{nmae}"', "name", "nmae is not a field of a product"),
        ('field = "name"', 'field = "__class__"', "name.field", "__class__ is not a field of a product"),
        ('field = "name"', 'field = "more."', "name.field", "more. is not a field of a product"),
        ('kind = "text"', 'kind = "qr_code"', "name.font_size", "is not known"),
    ],
)
def test_a_mistake_is_named_by_file_box_and_key(old: str, new: str, key: str, reason: str) -> None:
    text = f"[boxes.name]\n{NAME}"
    assert old in text
    assert (f"shop.toml: {key}", reason) in find_errors(text.replace(old, new))


def test_a_mistake_of_one_layout_names_its_models() -> None:
    text = f"[boxes.name]\n{NAME}[layouts.400x300]\nname = {{ lines = 99 }}\n"
    assert find_errors(text) == [
        ("shop.toml: name.lines (SL142, SL142+)", "must be less than or equal to 12"),
    ]


def test_names_that_do_not_exist() -> None:
    layouts = "[layouts.1x1]\nname = {}\n[layouts.212x104]\nother = {}\n"
    text = f'models = ["SL121", "SL999"]\n[boxes.name]\n{NAME}{layouts}'
    assert find_errors(text) == [
        ("shop.toml: models", "SL999 is not a label model"),
        ("shop.toml: layouts.1x1", "is neither a size such as 212x104 nor a label model"),
        ("shop.toml: layouts.212x104.other", "is not a box of this template"),
    ]


@pytest.mark.parametrize(
    ("box", "key", "reason"),
    [
        (
            NAME.replace("height = 30", "height = 120"),
            "name.height (SL121)",
            "reaches to pixel 120, and the label has 104",
        ),
        (NAME.replace('"50%"', "300"), "name.width (SL126, SL126+)", "reaches to pixel 300, and the label has 296"),
        (NAME.replace("height = 30", "height = 5"), "name.height", "is too small: 10 pixels are needed"),
        ('kind="bar_code"\nx=0\ny=0\nwidth=112\nheight=40', "name.width", "is too small: 113 pixels are needed"),
        ('kind="bar_code"\nx=0\ny=0\nwidth=113\nheight=20', "name.height", "is too small: 25 pixels are needed"),
        ('kind="qr_code"\nx=0\ny=0\nwidth=28\nheight=60', "name.width", "is too small: 29 pixels are needed"),
        ('kind="rectangle"\nx=0\ny=0\nwidth="0.1%"\nheight=5', "name.width", "is less than a pixel"),
    ],
)
def test_a_template_that_does_not_fit_is_refused_by_name(box: str, key: str, reason: str) -> None:
    with pytest.raises(TemplateDoesNotFit) as caught:
        parse_template(f"[boxes.name]\n{box}".encode(), "shop.toml")
    errors = [(one.parameter, one.reason) for one in caught.value.field_errors]
    assert any(name == f"shop.toml: {key}" and text.startswith(reason) for name, text in errors), errors


def test_a_code_stands_alone() -> None:
    code = '[boxes.code]\nkind="bar_code"\nx=0\ny=0\nwidth=200\nheight=40\n'
    over = f"[boxes.name]\n{NAME}"
    ground = '[boxes.ground]\nkind="rectangle"\nx=0\ny=0\nwidth="100%"\nheight="100%"\n'
    for text in (code + over, over + code, code + ground):
        [(name, reason)] = find_errors(text)
        assert name == "shop.toml: code.x"
        assert reason.endswith("a code stands alone")
    parse_template((ground + code).encode(), "shop.toml")
    parse_template((code + over + 'hidden_if = "bar_code"\n').encode(), "shop.toml")


def test_a_template_of_other_models_is_refused_by_name(fonts: Fonts) -> None:
    template = parse_template(f'models = ["SL142"]\n[boxes.name]\n{NAME}'.encode(), "shop.toml")
    with pytest.raises(TemplateDoesNotFit, match="the template shop is not made for SL121; it is for SL142"):
        draw_label(template, LABEL_MODELS["SL121"], ProductContent(id="1"), fonts)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is required"),
        (b"boxes = 1", "must be a valid dictionary"),
        (b"[boxes]\nname = 1", "must be a valid dictionary"),
        (b"\x00\xff\xff", "is no text in UTF-8, UTF-16 or GBK"),
        (b"a = " + b"[" * 30_000, "is not valid TOML"),
        (b"a = " + b"1" * 5000, "is not valid TOML"),
        (b"x" * (MAX_TEMPLATE_BYTES + 1), "is larger than 65536 bytes"),
        ("".join(f"[boxes.b{number}]\n" for number in range(65)).encode(), "at most 64"),
        (f"[boxes.{'b' * 41}]\n".encode(), "at most 40 characters"),
        (b"colour = 1\n[boxes.a]", "is not known"),
    ],
)
def test_a_hostile_file_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(InvalidTemplate) as caught:
        parse_template(content, "shop.toml")
    assert any(reason in f"{one.parameter} {one.reason}" for one in caught.value.field_errors), caught.value


def test_every_key_is_documented_and_the_example_is_valid() -> None:
    document = (TEMPLATE_FOLDER.parent / "README.md").read_text(encoding="utf-8")
    for kind in get_args(get_args(Box)[0]):
        for key in kind.model_fields:
            assert f"`{key}`" in document or key == "kind", key
    example = document.partition("```toml\n")[2].partition("```")[0]
    template = parse_template(example.encode(), "example.toml")
    assert list(template.layouts) == ["SL121", "SL126+"]
    assert all(f"{key} = " in example for key in PriceFormat.model_fields)


def test_a_file_that_is_missing_is_refused() -> None:
    with pytest.raises(InvalidTemplate, match=r"absent\.toml: No such file or directory"):
        load_template(TEMPLATE_FOLDER / "absent.toml")


def test_templates_of_a_shop_stand_above_the_included_ones(tmp_path: Path) -> None:
    (tmp_path / "price.toml").write_text(f'title = "Ours"\n[boxes.name]\n{NAME}', encoding="utf-8")
    (tmp_path / "broken.toml").write_text("[boxes", encoding="utf-8")
    (tmp_path / "wide.toml").write_text(f"[boxes.name]\n{NAME}".replace('"50%"', "500"), encoding="utf-8")
    (tmp_path / "notes.txt").write_text("no template", encoding="utf-8")
    templates, refusals = TemplateFolder(tmp_path).load()
    assert templates["price"].title == "Ours"
    assert len(templates) == 6
    assert [refusal.field_errors[0].parameter.partition(":")[0] for refusal in refusals] == ["broken.toml", "wide.toml"]
    assert len(TemplateFolder(tmp_path / "absent").load()[0]) == 6


def test_a_file_counts_only_once_nobody_writes_it_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ours.toml"
    whole = f'title = "Ours"\n[boxes.name]\n{NAME}'
    file.write_text(whole, encoding="utf-8")
    folder = TemplateFolder(tmp_path)
    assert folder.find_changed() == {"ours"}
    monkeypatch.setattr(template_folder, "_SETTLE_S", 1e9)
    for half in (whole[:20], "", whole.replace("Ours", "Mine")):
        file.write_text(half, encoding="utf-8")
        assert folder.find("ours").title == "Ours"
        assert not folder.find_changed()
    file.unlink()
    assert folder.find("ours").title == "Ours", "some editors delete a file before they write it anew"
    file.write_text(whole.replace("Ours", "Mine"), encoding="utf-8")
    monkeypatch.setattr(template_folder, "_SETTLE_S", 0)
    assert folder.find("ours").title == "Mine"
    assert folder.find_changed() == {"ours"}
    monkeypatch.setattr(template_folder, "_SETTLE_S", 1e9)
    folder.save("ours", whole.encode())
    assert folder.find("ours").title == "Ours", "what is saved as a whole counts at once"
    folder.delete("ours")
    with pytest.raises(InvalidRequest, match="ours"):
        folder.find("ours")


SAMPLE = (TEMPLATE_FOLDER / "promotion.toml").read_bytes()


@given(
    place=st.integers(0, len(SAMPLE)),
    length=st.integers(0, 40),
    inserted=st.binary(max_size=12) | st.sampled_from([b"9" * 12, b"[[", b"{}", b'"', b"=true\n", b"x = inf\n"]),
)
@settings(max_examples=60, deadline=None)
def test_a_damaged_file_is_refused_or_read(place: int, length: int, inserted: bytes) -> None:
    damaged = SAMPLE[:place] + inserted + SAMPLE[place + length :]
    try:
        parse_template(damaged, "shop.toml")
    except InvalidRequest as refusal:
        assert refusal.field_errors  # noqa: PT017  either is right
