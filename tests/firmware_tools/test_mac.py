"""MAC addresses in the notations that people write, and the label that follows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_tools.errors import InputRefused
from firmware_tools.mac import Mac

NOTATIONS = [
    "0c25760a1b2c",
    "0C25760A1B2C",
    "0c:25:76:0a:1b:2c",
    "0C-25-76-0A-1B-2C",
    "0c25.760a.1b2c",
    "0C 25 76 0A 1B 2C",
    "0c25:760a:1b2c",
    "0c2576-0a1b2c",
    " 0c:25:76:0a:1b:2c \n",
]


@pytest.mark.parametrize("text", NOTATIONS)
def test_every_common_notation_is_read(text: str) -> None:
    mac = Mac.parse(text)
    assert (str(mac), mac.digits, mac.label) == ("0C:25:76:0A:1B:2C", "0C25760A1B2C", "SUNMI-1B2C")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "nothing given"),
        ("   ", "nothing given"),
        ("1B2C", "4 hex digits"),
        ("0c:25:76:0a:1b", "10 hex digits"),
        ("0c:25:76:0a:1b:2c:3d", "14 hex digits"),
        ("0c:25:76:0a:1b:2g", "'G'"),
        ("Oc:25:76:0a:1b:2c", "'O'"),
        ("0c:25:76:0a:1b:\uff12c", "'\uff12'"),
        ("0c-25:76:0a:1b:2c", "separators"),
        ("0:c25:76:0a:1b:2c", "separators"),
        ("0c::25760a1b2c", "separators"),
        ("0c25760a1b2c-", "separators"),
    ],
)
def test_anything_else_is_refused_and_named(text: str, named: str) -> None:
    with pytest.raises(InputRefused, match="MAC address") as refused:
        Mac.parse(text)
    assert named in str(refused.value)


@given(st.binary(min_size=6, max_size=6))
def test_what_is_written_can_be_read(value: bytes) -> None:
    mac = Mac(value)
    assert Mac.parse(str(mac)) == Mac.parse(mac.digits) == mac
    assert mac.label == f"SUNMI-{value[-2:].hex().upper()}"
