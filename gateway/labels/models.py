"""The models of shelf labels, as the vendor's documents list them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from firmware_tools.language import message
from gateway.errors import FieldError, InvalidRequest
from gateway.protocol.catalogue.cloud_labels import PICTURE_FORMATS


@dataclass(frozen=True, slots=True)
class LabelModel:
    """What a model of label shows."""

    name: str
    """Its name, as the cloud says it."""
    width: int
    """In pixels."""
    height: int
    """In pixels."""
    has_red: bool
    """Whether it shows red besides black and white."""

    @property
    def size(self) -> str:
        """Width and height, as templates name them: `212x104`."""
        return f"{self.width}x{self.height}"


class UnknownLabelModel(InvalidRequest):
    """The vendor's documents do not say what pictures such a label shows."""


LABEL_MODELS: Final[Mapping[str, LabelModel]] = MappingProxyType(
    {one.model: LabelModel(one.model, one.width, one.height, "red" in one.colours) for one in PICTURE_FORMATS}
)
"""All models, by name."""


def find_label_model(name: str) -> LabelModel:
    """Return the model of a name. Raises `UnknownLabelModel`."""
    model = LABEL_MODELS.get(name)
    if model is None:
        reason = message(
            "the vendor's documents do not list the label model {name}; known are {known}",
            name=name[:40],
            known=", ".join(LABEL_MODELS),
        )
        raise UnknownLabelModel([FieldError("model", reason)])
    return model
