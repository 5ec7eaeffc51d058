"""The many names of the two camera models, and the many spellings of a MAC address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.mac_address import normalise_mac
from gateway.protocol.models import parse_model


@pytest.mark.parametrize("name", ["SS", "SS1", "FM010", "ss1", " FM010 ", "fm010"])
def test_store_sense(name: str) -> None:
    assert parse_model(name) == "FM010"


@pytest.mark.parametrize("name", ["FS", "FS1", "FM020", "fs", "FM020\t"])
def test_face_sense(name: str) -> None:
    assert parse_model(name) == "FM020"


@pytest.mark.parametrize("name", ["", "W1", "SS2", "FM030", "SLAP1", "FM 010", "FM010X"])
def test_other_products_are_no_cameras(name: str) -> None:
    assert parse_model(name) is None


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
