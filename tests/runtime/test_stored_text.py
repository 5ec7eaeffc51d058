"""A stored text is shown in the language of each reader."""

import json
from decimal import Decimal
from typing import Any

import pytest

from firmware_tools.language import Language, count_message, join, message, translate
from gateway.runtime.stored_text import pack_text, unpack_text


@pytest.mark.parametrize(
    "text",
    [
        "plain {text}",
        message("the camera {sn} is only found: manage it first, with `sunmi-gateway cameras add {sn}`", sn="F {x}"),
        message("none has come within {seconds:g} s", seconds=1.50),
        message("set: {names}", names=join(", ", ["zoom", message("{seconds:.1f} s", seconds=Decimal("1.25"))])),
        message("is {name!r} already", name="收银台"),
        count_message("{count} shop has not done it", "{count} shops have not done it", 3),
        message("set: {names}", names=count_message("{count} row is bad", "{count} rows are bad", 2)),
    ],
)
def test_texts_survive(text: str) -> None:
    stored = unpack_text(json.loads(json.dumps(pack_text(text))))
    assert stored == text
    for language in Language:
        assert translate(stored, language) == translate(text, language)


@pytest.mark.parametrize(
    "document",
    [
        7, None, [], {}, {"template": "x"}, {"template": "{a}", "values": {}}, {"template": "{a", "values": {"a": "b"}},
        {"template": "{a.__class__}", "values": {"a": "b"}}, {"template": "{a[0]}", "values": {"a": "b"}},
        {"template": "{a:>999999999}", "values": {"a": "b"}}, {"template": "{a:d}", "values": {"a": "b"}},
        {"template": "{}", "values": {"a": "b"}}, {"template": "{a}", "values": {"a": {"decimal": "x"}}},
        {"template": "{a}", "values": {"a": None}}, {"template": "{a}", "key": "{b}", "values": {"a": "b"}},
        {"template": "{a}", "key": 7, "values": {"a": "b"}}, {"template": "{a:{b}}", "values": {"a": "b", "b": 1}},
    ],
)  # fmt: skip
def test_what_was_not_packed_is_refused(document: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any
        unpack_text(document)


def test_nesting_is_bounded() -> None:
    text = message("x")
    for _ in range(9):
        text = message("{a}", a=text)
    with pytest.raises(ValueError, match="not a stored text"):
        unpack_text(pack_text(text))
