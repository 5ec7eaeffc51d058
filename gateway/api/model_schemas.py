"""JSON Schemas of pydantic models for the OpenAPI document: one named schema for each model."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

SUFFIX: Final = "Document"
"""Ends the name of each model of a response: the gateway has other classes for what the models describe."""
REFERENCE_PREFIX: Final = "#/components/schemas/"
"""Begins a reference to a named schema."""

_MAPS: Final = ("properties", "$defs")
_LISTS: Final = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE: Final = ("items", "additionalProperties", "not")

Schema = dict[str, Any]


def refer(name: str) -> Schema:
    """Return a reference to a named schema."""
    return {"$ref": f"{REFERENCE_PREFIX}{name}"}


def build_schemas(models: Mapping[str, type[BaseModel]], mode: JsonSchemaMode) -> dict[str, Schema]:
    """Return the schemas of models and of all that they consist of, by name.

    `mode` is "validation" for what callers send and "serialization" for what they get. Optional members of a response
    are left out rather than null.
    """
    _, document = models_json_schema(
        [(model, mode) for model in models.values()],
        ref_template=f"{REFERENCE_PREFIX}{{model}}",
        schema_generator=_Generator,
    )
    names = {model.__name__: name for name, model in models.items()}
    schemas = {}
    for found, schema in document.get("$defs", {}).items():
        schemas[names.get(found, found)] = _clean(schema, drop_null=mode == "serialization")
    return schemas


def name_enumerations(schemas: Mapping[str, Schema]) -> dict[str, Schema]:
    """Return schemas with references in place of enumerations that have a schema of their own."""
    named = {tuple(schema["enum"]): name for name, schema in schemas.items() if "enum" in schema}

    def replace(part: Any) -> Any:
        if isinstance(part, list):
            return [replace(one) for one in part]
        if not isinstance(part, dict):
            return part
        name = named.get(tuple(part["enum"])) if isinstance(part.get("enum"), list) else None
        if name is not None and part.get("type") == "string":
            return refer(name) | {member: value for member, value in part.items() if member not in ("enum", "type")}
        return {member: replace(value) for member, value in part.items()}

    return {name: schema if "enum" in schema else replace(schema) for name, schema in schemas.items()}


class _Generator(GenerateJsonSchema):
    """Gives no titles to members: they only repeat the names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _clean(schema: Schema, *, drop_null: bool) -> Schema:
    """Return a schema without titles, with references to the schemas' own names."""
    cleaned: Schema = {}
    for keyword, value in schema.items():
        if keyword in _MAPS:
            cleaned[keyword] = {name: _clean_member(one, drop_null=drop_null) for name, one in value.items()}
        elif keyword in _LISTS:
            cleaned[keyword] = [_clean(one, drop_null=drop_null) for one in value]
        elif keyword in _SINGLE and isinstance(value, dict):
            cleaned[keyword] = _clean(value, drop_null=drop_null)
        elif keyword == "$ref":
            cleaned[keyword] = value.removesuffix(SUFFIX)
        elif keyword != "title":
            cleaned[keyword] = value
    return cleaned


def _clean_member(schema: Schema, *, drop_null: bool) -> Schema:
    schema = _clean(schema, drop_null=drop_null)
    if not drop_null or schema.get("default", ...) is not None:
        return schema
    del schema["default"]
    options = [one for one in schema.pop("anyOf", ()) if one != {"type": "null"}]
    return {**schema, **options[0]} if len(options) == 1 else schema | ({"anyOf": options} if options else {})
