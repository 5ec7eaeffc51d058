"""The schemas of events for the OpenAPI document, derived from the declared types."""

import ast
import inspect
import sys
from collections.abc import Mapping
from dataclasses import Field, fields
from functools import cache
from itertools import pairwise
from types import NoneType
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from gateway.api.model_schemas import Schema, refer
from gateway.events import types as system_events
from gateway.fleet import events as fleet_events
from gateway.labels import events as label_events
from gateway.outbox import events as outbox_events
from gateway.protocol import vendor_events
from gateway.protocol.event_type import EVENT_TYPES, EventType, Source
from gateway.shop import events as shop_events

DECLARING_MODULES: Final = (vendor_events, outbox_events, system_events, shop_events, label_events, fleet_events)
"""The modules that declare types. A type is known once its module is loaded."""
EVENT: Final = "Event"
"""The schema of any event."""
OTHER_EVENT: Final = "OtherEvent"
"""The schema of an event whose type is not declared."""

_JSON_TYPES: Final[Mapping[Any, str]] = {str: "string", int: "integer", bool: "boolean", NoneType: "null"}
_MEMBERS: Final[Mapping[str, Schema]] = {
    "id": {
        "type": "string",
        "description": "Names the event; a reader resumes after it.",
        "examples": ["5f3a9c70b2d84e16-1042"],
    },
    "time": {"type": "string", "format": "date-time", "description": "When it happened."},
    "type": {"type": "string", "description": "What happened."},
    "source": refer("EventSource") | {"description": "Who reports it."},
    "camera": {"type": ["string", "null"], "description": "The serial number of the camera; null if it is about none."},
    "data": {"type": "object", "additionalProperties": True, "description": "The details."},
}
_ERASED: Final = {
    "const": "erased",
    "description": "Only there when personal data was erased: then the rest of it is gone.",
}

_OTHER_SCHEMAS: Final[Mapping[str, Schema]] = {
    "EventSource": {"type": "string", "enum": list(get_args(Source)), "description": "Who reports an event."},
    "EventPage": {
        "type": "object",
        "description": "A page of events, the oldest first.",
        "required": ["events", "next"],
        "properties": {
            "events": {
                "type": "array",
                "items": refer(EVENT),
                "description": "The events; none if there are no new ones.",
            },
            "next": {
                "type": "string",
                "description": "The `after` of the next page, also of one that has no events yet.",
                "examples": ["5f3a9c70b2d84e16-1042"],
            },
            "notice": refer("ResumeNotice")
            | {"description": "Why events may be missing or come again; only there if they do."},
        },
    },
    "ResumeNotice": {
        "type": "object",
        "description": "Why a reader may have missed events, or gets some again.",
        "required": ["reason", "detail"],
        "properties": {
            "reason": {
                "type": "string",
                "enum": ["new_epoch", "from_the_future", "pruned"],
                "description": "`new_epoch`: the event log was restored, repaired or copied; `from_the_future`: there "
                "is no such event yet; `pruned`: the events after it are not kept any more.",
            },
            "detail": {"type": "string", "description": "The same for people."},
        },
    },
}


def build_event_schemas() -> dict[str, Schema]:
    """Return the schemas of all events, by name: `Event`, which is one of the others, by its `type`."""
    schemas: dict[str, Schema] = {}
    for name, declared in sorted(EVENT_TYPES.items()):
        schemas[f"{declared.__name__}Data"] = _data_schema(declared)
        members = {
            "type": {"const": name, "description": f"`{name}`."},
            "data": refer(f"{declared.__name__}Data") | {"description": "The details."},
        }
        schemas[event_name(declared)] = make_event_schema(f"{declared.title()}.", members)
    other = {"type": {"type": "string", "not": {"enum": sorted(EVENT_TYPES)}, "description": "What happened."}}
    schemas[OTHER_EVENT] = make_event_schema(
        "An event of a type that is not known here: `vendor.` and a number or name stands for an event that the vendor "
        "does not document, and later versions have more types. A reader ignores what it does not know.",
        other,
    )
    names = {name: event_name(declared) for name, declared in sorted(EVENT_TYPES.items())}
    schemas[EVENT] = {
        "description": "Something that happened in the store. Its `type` says what, and which members `data` has.",
        "oneOf": [refer(name) for name in (*names.values(), OTHER_EVENT)],
        "discriminator": {
            "propertyName": "type",
            "mapping": {name: refer(schema)["$ref"] for name, schema in names.items()},
        },
    }
    return {**schemas, **_OTHER_SCHEMAS}


def event_name(declared: type[EventType]) -> str:
    """Return the name of the schema of a declared type, such as `FaceSeenEvent`."""
    return f"{declared.__name__.removesuffix('Event')}Event"


def make_event_schema(description: str, members: Mapping[str, Schema]) -> Schema:
    """Return the schema of an event with its own `members`."""
    return {
        "type": "object",
        "description": description,
        "required": list(_MEMBERS),
        "properties": {**_MEMBERS, **members},
    }


def type_families() -> list[str]:
    """Return the families of all declared types, such as `camera.*`."""
    return sorted({f"{name.partition('.')[0]}.*" for name in EVENT_TYPES})


def _data_schema(declared: type[EventType]) -> Schema:
    descriptions, hints = _describe_fields(declared), get_type_hints(declared)
    vendors = declared if issubclass(declared, vendor_events.VendorEvent) else None
    members = {
        field.name: _value_schema(hints[field.name], field, left_out=vendors is not None)
        | {"description": descriptions[field.name]}
        for field in fields(declared)
    }
    # What the vendor does not tell is left out; what the gateway does not know is null.
    required = list(members) if vendors is None else ["vendor_event"]
    if vendors is not None and vendors.personal:
        members["personal_data"] = _ERASED
    schema: Schema = {"type": "object", "description": f"{declared.title()}: the details.", "properties": members}
    return schema | ({"required": required} if required else {})


def _value_schema(annotation: Any, field: Field[Any], *, left_out: bool) -> Schema:
    """Return the schema of a field's value; of one that can be anything, an empty one."""
    if annotation is Any:
        return {}
    if get_origin(annotation) is tuple:
        return {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2}
    if get_origin(annotation) is Literal:
        return {"type": "string", "enum": list(get_args(annotation))}
    if meanings := field.metadata.get("meanings"):
        return {"type": "string", "enum": list(dict.fromkeys([*meanings.values(), "unknown"]))}
    options = [one for one in get_args(annotation) or (annotation,) if one is not NoneType or not left_out]
    names = [_JSON_TYPES[option] for option in options]
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
