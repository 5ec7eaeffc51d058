"""The models of the gateway's own responses, by the names of their schemas in the OpenAPI document."""

from collections.abc import Iterator
from typing import Final

from pydantic import BaseModel

from gateway.api.model_schemas import SUFFIX
from gateway.api.models import (
    audit,
    cameras,
    catalogue,
    demonstration,
    events,
    flow,
    hotspots,
    labels,
    outbox,
    problems,
    products,
    site_plan,
    system,
    video,
)
from gateway.api.models.document import Document

__all__ = ["MODELS"]


def _find_models() -> Iterator[tuple[str, type[BaseModel]]]:
    for module in (
        problems,
        system,
        cameras,
        hotspots,
        video,
        site_plan,
        demonstration,
        outbox,
        products,
        labels,
        events,
        flow,
        catalogue,
        audit,
    ):
        for name, model in vars(module).items():
            if (
                isinstance(model, type)
                and issubclass(model, BaseModel)
                and name.endswith(SUFFIX)
                and model is not Document
            ):
                yield name.removesuffix(SUFFIX), model


MODELS: Final = dict(_find_models())
"""The model of each schema, by the name of the schema."""
