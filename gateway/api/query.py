"""Parameters in the query of a call: a pydantic model for each route that takes any."""

from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Annotated, Any, TypeVar, get_origin

from multidict import MultiMapping
from pydantic import BeforeValidator, ValidationError

from firmware_tools.language import message
from gateway.api.validation import RequestModel, invalid_request
from gateway.errors import FieldError, InvalidRequest
from gateway.protocol.values import parse_date


def _parse_whole_number(text: Any) -> int:
    # The length first: converting many digits is slow.
    if isinstance(text, str) and len(text) <= 20 and text.isascii() and text.isdigit():
        return int(text)
    raise ValueError(message("must be a whole number"))


WholeNumber = Annotated[int, BeforeValidator(_parse_whole_number)]


def _parse_flag(text: Any) -> bool:
    if text in (True, False, "true", "false"):
        return text in (True, "true")
    raise ValueError(message("must be true or false"))


Flag = Annotated[bool, BeforeValidator(_parse_flag)]
Day = Annotated[date, BeforeValidator(parse_date)]


def _parse_time(text: Any) -> datetime:
    if isinstance(text, str):
        with suppress(ValueError):
            time = datetime.fromisoformat(text)
            return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    raise ValueError(message("must be a day or a time, such as 2026-11-21 or 2026-11-21T14:00:00Z"))


Time = Annotated[datetime, BeforeValidator(_parse_time)]
"""A time, or the beginning of a day; in UTC unless it names another zone."""


class Query(RequestModel):
    """The query of a call. An optional parameter is None if the caller does not give it."""


class NoQuery(Query):
    """The query of a call that takes no parameters there."""


Q = TypeVar("Q", bound=Query)


def read_query(given: MultiMapping[str], model: type[Q]) -> Q:
    """Check the query of a call. A parameter that is a list may be given several times.

    Raises `InvalidRequest` naming every field error.
    """
    field_errors: list[FieldError] = []
    lists = {name for name, field in model.model_fields.items() if get_origin(field.annotation) is list}
    try:
        query = model.model_validate({name: given.getall(name) if name in lists else given[name] for name in given})
    except ValidationError as exc:
        field_errors += invalid_request(model, exc).field_errors
    refused = {one.parameter for one in field_errors}
    field_errors += [
        FieldError(name, message("is given twice"))
        for name in dict.fromkeys(given)
        if name not in refused | lists and len(given.getall(name)) > 1
    ]
    if field_errors:
        raise InvalidRequest(field_errors)
    return query


def describe_query(model: type[Query]) -> list[dict[str, Any]]:
    """Return the parameters as OpenAPI describes them."""
    document = model.model_json_schema()
    required = document.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": schema.pop("description"),
            "schema": _without_null(schema),
        }
        for name, schema in document["properties"].items()
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter that is given."""
    [given] = [one for one in schema.pop("anyOf", [{}]) if one != {"type": "null"}]
    return {name: value for name, value in {**schema, **given}.items() if name != "title" and value is not None}
