"""Finished pictures: their size and colours, and what a scanner reads in them."""

from decimal import Decimal

import pytest

from gateway.labels.content import ProductContent
from gateway.labels.draw import draw_label
from gateway.labels.fonts import Fonts
from gateway.labels.models import LABEL_MODELS, LabelModel
from gateway.labels.template import load_included_templates
from tests.labels.conftest import decode_codes, open_picture

WATER = ProductContent(id="1", name="农夫山泉饮用天然水", price=Decimal("12.90"), bar_code="6921168509256")
MODELS = list(LABEL_MODELS.values())


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_picture_has_the_size_and_colours_of_its_model(model: LabelModel, fonts: Fonts) -> None:
    picture = draw_label(load_included_templates()["price"], model, WATER, fonts)
    image = open_picture(picture)
    assert (image.size, image.mode) == ((model.width, model.height), "P")
    palette = image.getpalette() or []
    assert palette == [255, 255, 255, 0, 0, 0, 255, 0, 0][: 9 if model.has_red else 6]
    assert decode_codes(picture) == {"EAN-13": "6921168509256"}
