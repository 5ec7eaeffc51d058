"""Example values for a JSON Schema: those that it names, else the simplest that it allows."""

from collections.abc import Iterator
from typing import Any, Final

from gateway.api.docs.field_tree import MAX_DEPTH, Schema, SchemaReader

_TEXTS: Final = {
    "date": "2026-11-21",
    "date-time": "2026-11-21T14:03:07Z",
    "uri": "http://192.168.1.20:8000/events",
    "uri-reference": "/api/v1/outbox/1042",
}
_NUMBERS: Final = {"integer": 1, "number": 1.5}


class ExampleMaker:
    """Makes example values of the schemas of one OpenAPI document."""

    def __init__(self, schemas: SchemaReader) -> None:
        self._schemas = schemas

    def make_request(self, schema: Schema) -> Any:
        """Return a body that is as small as the schema allows, with what is named as an example inside lists."""
        return self._make(schema, 0, whole=False)

    def make_response(self, schema: Schema) -> Any:
        """Return a value with all members."""
        return self._make(schema, 0, whole=True)

    def _make(self, schema: Schema, depth: int, *, whole: bool) -> Any:
        schema = self._schemas.resolve(schema)
        for keyword in ("examples", "enum"):
            if schema.get(keyword):
                return schema[keyword][0]
        for keyword in ("example", "const", "default"):
            if schema.get(keyword) is not None:
                return schema[keyword]
        if "anyOf" in schema or "oneOf" in schema:
            options = self._schemas.list_alternatives(schema)
            if "properties" not in schema:
                return self._make(options[0], depth, whole=whole) if options else None
        kind = schema.get("type", "object" if "properties" in schema else "any")
        return self._make_of_type(kind[0] if isinstance(kind, list) else kind, schema, depth, whole=whole)

    def _make_of_type(self, kind: str, schema: Schema, depth: int, *, whole: bool) -> Any:
        match kind:
            case "object":
                return dict(self._make_members(schema, depth, whole=whole)) if depth < MAX_DEPTH else {}
            case "array":
                return [self._make(schema["items"], depth + 1, whole=whole)] if "items" in schema else []
            case "integer" | "number":
                return schema.get("minimum", _NUMBERS[kind])
            case "boolean":
                return True
            case "string":
                return _TEXTS.get(schema.get("format", "")) or ("…" if whole else _make_text(schema))
            case _:
                return None

    def _make_members(self, schema: Schema, depth: int, *, whole: bool) -> Iterator[tuple[str, Any]]:
        wanted = set(schema.get("required", ()))
        for group in schema.get("allOf", ()):  # of a group, one has to be given
            wanted |= {name for one in group.get("anyOf", ())[:1] for name in one.get("required", ())}
        for name, member in schema.get("properties", {}).items():
            has_example = depth > 0 and "examples" in self._schemas.resolve(member)
            if whole or name in wanted or has_example:
                yield name, self._make(member, depth + 1, whole=whole)


def _make_text(schema: Schema) -> str:
    """Return a text of a length that is allowed."""
    text = "text".ljust(schema.get("minLength", 0), "0")
    return text[: schema.get("maxLength", len(text))]
