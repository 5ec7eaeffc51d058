"""Fake data for the response of an endpoint that has no handler, made from its declared response fields."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.protocol.endpoint import Endpoint, ResponseField

_EMPTY_VALUES: Final[Mapping[str, Any]] = {"string": "", "int": 0, "number": 0, "array": [], "object": {}}


def generate_fake_data(endpoint: Endpoint, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return data of the declared shape. A list has one element; a field named like a parameter has its value."""
    data: dict[str, Any] = {}
    for field in endpoint.response_fields:
        _insert(data, field.path.replace("[]", ".[]").split("."), field, fields)
    return data


def _insert(inside: dict[str, Any], steps: list[str], field: ResponseField, fields: Mapping[str, str]) -> None:
    name, rest = steps[0], steps[1:]
    if not rest:
        inside.setdefault(name, _generate_value(field, name, fields))
    elif rest == ["[]"]:
        inside.setdefault(name, [_generate_value(field, name, fields)])
    elif rest[0] == "[]":
        elements = inside.get(name)
        if not elements:
            elements = inside[name] = [{}]
        _insert(elements[0], rest[1:], field, fields)
    else:
        _insert(inside.setdefault(name, {}), rest, field, fields)


def _generate_value(field: ResponseField, name: str, fields: Mapping[str, str]) -> Any:
    given = fields.get(name)
    if given is not None and field.type == "string":
        return given
    if given is not None and field.type == "int" and given.lstrip("-").isdecimal():
        return int(given)
    empty = _EMPTY_VALUES[field.type]
    return empty.copy() if isinstance(empty, list | dict) else empty
