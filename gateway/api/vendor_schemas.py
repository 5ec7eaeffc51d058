"""JSON Schemas of the vendor's requests and responses, derived from the catalogue: one named schema for each object."""

from typing import Any, Final

from gateway.api.model_schemas import Schema, refer
from gateway.protocol import json_text
from gateway.protocol.endpoint import Endpoint, ResponseField
from gateway.protocol.envelope import LEFT_OUT_FIELD
from gateway.protocol.parameters import Parameter

_JSON_TYPES: Final = {"string": "string", "int": "integer", "number": "number", "array": "array", "object": "object"}


def operation_id(endpoint: Endpoint) -> str:
    """Return the id of the call of an endpoint, such as `cloud_order_update`."""
    return f"{endpoint.side}_{endpoint.path.replace('/', '_')}"


def build_vendor_schemas(endpoint: Endpoint) -> dict[str, Schema]:
    """Return the schemas of an endpoint's request and response, by name."""
    schemas: dict[str, Schema] = {}
    _name_objects(request_name(endpoint), request_schema(endpoint), schemas)
    _name_objects(response_name(endpoint), response_schema(endpoint), schemas)
    return schemas


def request_name(endpoint: Endpoint) -> str:
    """Return the name of the schema of an endpoint's request: `CloudOrderUpdateRequest`. Empty ones share one."""
    return f"{_camel_case(operation_id(endpoint))}Request" if endpoint.parameters else "EmptyRequest"


def response_name(endpoint: Endpoint) -> str:
    """Return the name of the schema of an endpoint's response. Those whose `data` is empty share one."""
    return f"{_camel_case(operation_id(endpoint) if endpoint.response_fields else endpoint.side)}Response"


def _camel_case(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def _name_objects(name: str, schema: Schema, schemas: dict[str, Schema]) -> Schema:
    """Add a schema with members to the named ones, and those of all objects in it. Return the reference."""
    members = {member: _name_member(name, member, one, schemas) for member, one in schema["properties"].items()}
    schemas[name] = schema | {"properties": members}
    return refer(name)


def _name_member(parent: str, member: str, schema: Schema, schemas: dict[str, Schema]) -> Schema:
    """Name the objects in a member: `order_list` of `CloudOrderUpdateRequest` has `CloudOrderUpdateRequestOrder`."""
    name = f"{parent.removesuffix('Data')}{_camel_case(member)}"
    if "properties" in schema:
        # Beside a reference only its description may differ.
        described = {key: schema.pop(key) for key in ("description",) if key in schema}
        return _name_objects(name, schema, schemas) | described
    if "properties" in schema.get("items", {}):
        return schema | {"items": _name_objects(name.removesuffix("List"), schema["items"], schemas)}
    return schema


def request_schema(endpoint: Endpoint) -> dict[str, Any]:
    """Return the schema of the parameters of a call."""
    filled = {"shop_id"}  # filled in from the settings, so that a caller need not give it
    required = [one.name for one in endpoint.parameters if one.required and one.name not in filled]
    schema: dict[str, Any] = {
        "type": "object",
        "description": f"What `{endpoint.path}` takes." if endpoint.parameters else "Nothing.",
        "properties": {one.name: _parameter_schema(one) for one in endpoint.parameters},
        "additionalProperties": False,
    }
    if required:
        schema["required"] = required
    groups = dict.fromkeys(one.one_of for one in endpoint.parameters if one.one_of)
    if groups:
        schema["allOf"] = [
            {"anyOf": [{"required": [one.name]} for one in endpoint.parameters if one.one_of == group]}
            for group in groups
        ]
    return schema


def response_schema(endpoint: Endpoint) -> dict[str, Any]:
    """Return the schema of a response."""
    data: dict[str, Any] = {"type": "object"}
    for known in endpoint.response_fields:
        _insert_field(data, known)
    if not endpoint.response_fields:
        data["additionalProperties"] = True
    properties = {
        "code": {"type": "integer", "description": "0: it is done."},
        "msg": {"type": "string", "description": "The same in words, which differ from one endpoint to the next."},
        "data": data,
    }
    if endpoint.side == "camera":
        left_out = "How many entries the gateway left out because they cannot be read; only there if it did."
        properties[LEFT_OUT_FIELD] = {"type": "integer", "description": left_out}
    says = (
        f"What `{endpoint.path}` responds with." if endpoint.response_fields else "It is done; there is nothing to say."
    )
    return {"type": "object", "description": says, "required": ["code"], "properties": properties}


def _parameter_schema(parameter: Parameter) -> dict[str, Any]:
    if parameter.type == "file":
        return {
            "type": "string",
            "format": "binary",
            "contentMediaType": "application/octet-stream",
            "description": parameter.description,
        }
    schema: dict[str, Any] = {"type": _JSON_TYPES[parameter.type]}
    keywords = {
        "description": parameter.description or None,
        "minimum": parameter.min,
        "maximum": parameter.max,
        "minLength": None if parameter.allow_empty else parameter.min_length,
        "maxLength": parameter.max_length,
        "default": parameter.default,
        "format": "date" if parameter.format == "date" else None,
        "examples": None if parameter.example is None else [_parse_example(parameter)],
    }
    schema |= {name: value for name, value in keywords.items() if value is not None}
    if parameter.choices:
        meanings = ", ".join(f"{choice.value}: {choice.meaning}" for choice in parameter.choices)
        schema["description"] = f"{parameter.description} {meanings}".strip()
        if not parameter.open and parameter.type != "array":
            schema["enum"] = [choice.value for choice in parameter.choices]
    if parameter.type == "array":
        schema["items"] = _items_schema(parameter)
    if parameter.secret:
        schema["writeOnly"] = True
    return schema


def _parse_example(parameter: Parameter) -> Any:
    """Return the example as a caller sends it; the catalogue has that of a list as its text."""
    example = parameter.example
    return json_text.loads(example) if parameter.type in ("array", "object") and isinstance(example, str) else example


def _items_schema(parameter: Parameter) -> dict[str, Any]:
    if parameter.items != "object":
        return {"type": _list_scalar_types(_JSON_TYPES[parameter.items or "string"])}
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {one.name: _property_schema(one) for one in parameter.properties},
    }
    required = [one.name for one in parameter.properties if one.required]
    return {**schema, "required": required} if required else schema


def _property_schema(parameter: Parameter) -> dict[str, Any]:
    """Describe a property of an item: the vendor's samples send identifiers as numbers, and numbers as text."""
    schema = _parameter_schema(parameter)
    if schema["type"] in ("integer", "number", "string"):
        schema["type"] = _list_scalar_types(schema["type"])
    return schema


def _list_scalar_types(declared: str) -> list[str]:
    return [declared, "string" if declared != "string" else "integer"]


def _insert_field(schema: dict[str, Any], known: ResponseField) -> None:
    """Put a field, named by its flat path, at its place in the nested schema."""
    *parents, last = known.path.split(".")
    for parent in parents:
        child = schema.setdefault("properties", {}).setdefault(parent.removesuffix("[]"), {})
        if parent.endswith("[]"):
            child.setdefault("type", "array")
            schema = child.setdefault("items", {"type": "object"})
        else:
            child.setdefault("type", "object")
            schema = child
    leaf = schema.setdefault("properties", {}).setdefault(last.removesuffix("[]"), {})
    if last.endswith("[]"):
        leaf.setdefault("type", "array")
        leaf.setdefault("items", {"type": _JSON_TYPES[known.type]})
    else:
        leaf.setdefault("type", _JSON_TYPES[known.type])
    text = f"{known.description} Redacted for all but admin.".strip() if known.secret else known.description
    if text:
        leaf["description"] = text
