"""What callers send to the gateway's own calls, as pydantic models, and the reasons for which it is refused."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from firmware_tools.language import message
from gateway.errors import FieldError, InvalidRequest
from gateway.validation_texts import describe_validation_error


class RequestModel(BaseModel):
    """Data that a caller sends: unknown members are refused by name."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)  # most are never needed


def invalid_request(model: type[RequestModel], exc: ValidationError) -> InvalidRequest:
    """Return the refusal that names every field error of a model."""
    return InvalidRequest([FieldError(".".join(map(str, one["loc"])), _reason(model, one)) for one in exc.errors()])


def _reason(model: type[RequestModel], error: Mapping[str, Any]) -> str:
    match error["type"]:
        case "extra_forbidden":
            return message("is not a parameter of this call")
        case "missing":
            described = {field.alias or name: field.description for name, field in model.model_fields.items()}
            meaning = described.get(error["loc"][0]) or ""
            if meaning:
                return message("is required: {meaning}", meaning=meaning[:1].lower() + meaning[1:].rstrip("."))
    return describe_validation_error(error)
