"""The included templates look as they did when a person last looked at them: see `references.py`."""

import json

import pytest

from gateway.labels.fonts import Fonts
from tests.labels.references import HASHES, describe_renderer, draw_references


def test_the_pictures_are_those_that_were_looked_at(fonts: Fonts) -> None:
    known = json.loads(HASHES.read_text(encoding="utf-8"))
    if known["renderer"] != describe_renderer(fonts):
        pytest.skip(f"letters look different with {describe_renderer(fonts)}")
    assert {name: picture.pixel_hash for name, picture in draw_references(fonts)} == known["pictures"]
