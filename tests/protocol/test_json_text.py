"""JSON whose numbers keep their digits."""

import pytest

from gateway.protocol import json_text


@pytest.mark.parametrize(
    "text",
    [
        "10.00",
        "0.10",
        "-3.500",
        "12345678901234567890.123456789",
        "123456789012345678901234567890",
        '{"name":"可口可乐","price":3.20}',
        '"a/b \\" \\\\ \\u0001"',
        "[true,false,null,[],{}]",
    ],
)
def test_what_goes_in_comes_out(text: str) -> None:
    assert json_text.dumps(json_text.loads(text)) == text


@pytest.mark.parametrize(
    "text", ["", "NaN", "Infinity", "-Infinity", "[1,]", "{'a':1}", "1e99999999999999999999", "[" * 100_000, "1" * 5000]
)
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        json_text.loads(text)
