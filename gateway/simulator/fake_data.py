"""A plausible answer made from an endpoint's declared fields, for endpoints that have no state of their own."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.protocol.endpoint import Endpoint, ResponseField

_VALUES: Final[Mapping[str, Any]] = {"string": "", "int": 0, "number": 0, "array": [], "object": {}}


def plausible_data(endpoint: Endpoint, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return data of the declared shape: lists have one element, and a field named like a parameter echoes it."""
    data: dict[str, Any] = {}
    for known in endpoint.response_fields:
        _place(data, known.path.replace("[]", ".[]").split("."), known, fields)
    return data


def _place(inside: dict[str, Any], steps: list[str], known: ResponseField, fields: Mapping[str, str]) -> None:
    name, rest = steps[0], steps[1:]
    if not rest:
        inside.setdefault(name, _value(known, name, fields))
    elif rest == ["[]"]:
        inside.setdefault(name, [_value(known, name, fields)])
    elif rest[0] == "[]":
        elements = inside.get(name)
        if not elements:
            elements = inside[name] = [{}]
        _place(elements[0], rest[1:], known, fields)
    else:
        _place(inside.setdefault(name, {}), rest, known, fields)


def _value(known: ResponseField, name: str, fields: Mapping[str, str]) -> Any:
    given = fields.get(name)
    if given is not None and known.type == "string":
        return given
    if given is not None and known.type == "int" and given.lstrip("-").isdigit():
        return int(given)
    empty = _VALUES[known.type]
    return empty.copy() if isinstance(empty, list | dict) else empty
