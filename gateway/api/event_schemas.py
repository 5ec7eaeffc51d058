"""The schema of an event for the OpenAPI document, derived from the declared types."""

import ast
import inspect
import sys
from dataclasses import fields
from functools import cache
from itertools import pairwise
from types import NoneType
from typing import Any, Final, get_args, get_type_hints

from gateway.events import types as system_events
from gateway.outbox import events as outbox_events
from gateway.protocol import vendor_events
from gateway.protocol.event_type import EVENT_TYPES, EventType, Source

DECLARING_MODULES: Final = (vendor_events, outbox_events, system_events)
"""The modules that declare types. A type is known once its module is loaded."""
_JSON_TYPES: Final[dict[Any, str]] = {str: "string", int: "integer", bool: "boolean", NoneType: "null"}
_OTHER: Final = {
    "title": "other",
    "description": "An event of a type that is not known here.",
    "properties": {"data": {"type": "object"}},
}


def event_schema() -> dict[str, Any]:
    """Return the schema of an event, with one alternative for each declared type."""
    return {
        "type": "object",
        "description": "Something that happened in the store.",
        "required": ["id", "time", "type", "source", "camera", "data"],
        "properties": {
            "id": {"type": "string", "description": "Names the event; a reader resumes after it."},
            "time": {"type": "string", "format": "date-time", "description": "When it happened."},
            "type": {
                "type": "string",
                "description": "What happened. A reader ignores types that it does not know: `vendor.` and a number or "
                "name stands for an event that the vendor does not document.",
            },
            "source": {"type": "string", "enum": list(get_args(Source)), "description": "Who reports it."},
            "camera": {"type": ["string", "null"], "description": "The serial number of the camera."},
            "data": {
                "type": "object",
                "description": "The details. When personal data was erased, it says so in `personal_data`.",
            },
        },
        "anyOf": [*(_type_schema(declared) for _, declared in sorted(EVENT_TYPES.items())), _OTHER],
    }


def type_families() -> list[str]:
    """Return the families of all declared types, such as `camera.*`."""
    return sorted({f"{name.partition('.')[0]}.*" for name in EVENT_TYPES})


def _type_schema(declared: type[EventType]) -> dict[str, Any]:
    descriptions = _describe_fields(declared)
    hints = get_type_hints(declared)
    return {
        "title": declared.type,
        "description": declared.title() + ".",
        "properties": {
            "type": {"const": declared.type},
            "data": {
                "type": "object",
                "properties": {
                    field.name: _value_schema(hints[field.name]) | {"description": descriptions[field.name]}
                    for field in fields(declared)
                },
            },
        },
    }


def _value_schema(annotation: Any) -> dict[str, Any]:
    """Return the schema of a field's type; of one that can be anything, an empty one."""
    if annotation is Any:
        return {}
    options = get_args(annotation) or (annotation,)
    names = list(dict.fromkeys(_JSON_TYPES.get(option, "string") for option in options))
    return {"type": names[0] if len(names) == 1 else names}


def _describe_fields(declared: type[EventType]) -> dict[str, str]:
    """Return the text under each field of a declaration and of its bases."""
    texts: dict[str, str] = {}
    for base in reversed(declared.__mro__):
        if issubclass(base, EventType):
            texts |= _texts_under_fields(base.__module__).get(base.__name__, {})
    return texts


@cache
def _texts_under_fields(module: str) -> dict[str, dict[str, str]]:
    """Return the texts under the fields of all classes of a module, by class and field."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {
        node.name: {
            field.target.id: text.value.value
            for field, text in pairwise(node.body)
            if isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        }
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }
