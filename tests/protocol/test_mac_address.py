"""The many spellings of a MAC address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.mac_address import normalise_mac


@pytest.mark.parametrize(
    "text",
    ["04:12:24:E3:45:12", "04:12:24:E3:45:12 ", "04-12-24-e3-45-12", "041224e34512", "0412.24e3.4512", " 041224E34512"],
)
def test_a_mac_address_in_any_spelling(text: str) -> None:
    assert normalise_mac(text) == "04:12:24:E3:45:12"


@pytest.mark.parametrize("text", ["", "04:12:24:E3:45", "04:12:24:E3:45:12:00", "04:12:24:E3:45:1G", "٠٤١٢٢٤٣٤٥١٢٣"])
def test_what_is_no_mac_address(text: str) -> None:
    assert normalise_mac(text) == ""


@given(st.text(max_size=24))
def test_any_text_is_a_mac_address_or_none(text: str) -> None:
    mac = normalise_mac(text)
    assert mac == "" or normalise_mac(mac) == mac
