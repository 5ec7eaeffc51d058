"""What callers send to the gateway's own calls, as pydantic models, and the reasons for which it is refused."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from firmware_tools.language import describe_error, message
from gateway.errors import FieldError, InvalidRequest

_SUBJECT = re.compile(r"^\w+ should ")
"""How pydantic begins most messages: `Input should be a valid string`."""


class RequestModel(BaseModel):
    """Data that a caller sends: unknown members are refused by name."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)  # most are never needed


def invalid_request(model: type[RequestModel], exc: ValidationError) -> InvalidRequest:
    """Return the refusal that names every field error of a model."""
    return InvalidRequest([FieldError(".".join(map(str, one["loc"])), _reason(model, one)) for one in exc.errors()])


def _reason(model: type[RequestModel], error: Any) -> str:
    match error["type"]:
        case "extra_forbidden":
            return message("is not a parameter of this call")
        case "missing":
            described = {field.alias or name: field.description for name, field in model.model_fields.items()}
            meaning = described.get(error["loc"][0]) or ""
            if not meaning:
                return message("is required")
            return message("is required: {meaning}", meaning=meaning[:1].lower() + meaning[1:].rstrip("."))
        case "value_error":
            return describe_error(error["ctx"]["error"])
        case _:
            text = _SUBJECT.sub("must ", error["msg"])
            return next((known for known in _list_reasons(error.get("ctx") or {}) if known == text), text)


def _list_reasons(limits: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the texts of pydantic that are known in other languages, with the limits of an error."""
    return (
        message("must be a valid string"),
        message("must be a valid integer"),
        message("must be a valid number"),
        message("must be a valid boolean"),
        message("must be a valid list"),
        message("must be a valid dictionary"),
        message("must be less than or equal to {limit}", limit=limits.get("le", "")),
        message("must be greater than or equal to {limit}", limit=limits.get("ge", "")),
        message("must have at most {limit} characters", limit=limits.get("max_length", "")),
        message("must have at least {limit} characters", limit=limits.get("min_length", "")),
        message("must have at least {limit} character", limit=limits.get("min_length", "")),
        message("must be {expected}", expected=limits.get("expected", "")),
    )
