"""The many names of the two camera models."""

import pytest

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
