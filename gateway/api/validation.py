"""What callers send to the gateway's own calls, as pydantic models, and the reasons for which it is refused."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from firmware_tools.language import Message, escape, fill, message
from gateway.errors import FieldError, InvalidRequest
from gateway.validation_texts import describe_validation_error


class RequestModel(BaseModel):
    """Data that a caller sends: unknown members are refused by name."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)  # most are never needed


def invalid_request(model: type[RequestModel], exc: ValidationError) -> InvalidRequest:
    """Return the refusal that names every field error of a model."""
    return InvalidRequest([FieldError(".".join(map(str, one["loc"])), _reason(model, one)) for one in exc.errors()])


def list_required_fields(model: type[BaseModel]) -> dict[str | int, Message]:
    """Return what the fields mean that a model requires, as a part of a sentence."""
    return {
        field.alias or name: _make_clause(field.description)
        for name, field in model.model_fields.items()
        if field.is_required() and field.description
    }


def _make_clause(sentence: str) -> Message:
    begin = sentence[:1] if sentence[1:2].isupper() else sentence[:1].lower()  # SHA-256 stays as it is
    return fill(escape(begin + sentence[1:].rstrip(".")))


def _reason(model: type[RequestModel], error: Mapping[str, Any]) -> str:
    match error["type"]:
        case "extra_forbidden":
            return message("is not a parameter of this call")
        case "missing":
            meaning = list_required_fields(model).get(error["loc"][0])
            if meaning is not None and len(error["loc"]) == 1:
                return message("is required: {meaning}", meaning=meaning)
    return describe_validation_error(error)
