"""MAC addresses: the notations that are parsed, and the volume label."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_tools.errors import InvalidInput
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
def test_common_notations_are_parsed(text: str) -> None:
    mac = Mac.parse(text)
    assert (str(mac), mac.hex_digits, mac.volume_label) == ("0C:25:76:0A:1B:2C", "0C25760A1B2C", "SUNMI-1B2C")


@pytest.mark.parametrize(
    ("text", "fault"),
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
def test_invalid_addresses_are_refused_with_the_fault(text: str, fault: str) -> None:
    with pytest.raises(InvalidInput, match="MAC address") as refused:
        Mac.parse(text)
    assert fault in str(refused.value)


@given(st.binary(min_size=6, max_size=6))
def test_every_address_can_be_parsed_from_its_own_text(octets: bytes) -> None:
    mac = Mac(octets)
    assert Mac.parse(str(mac)) == Mac.parse(mac.hex_digits) == mac
    assert mac.volume_label == f"SUNMI-{octets[-2:].hex().upper()}"
