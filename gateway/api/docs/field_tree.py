"""The members of a JSON Schema as a tree to show: with its references resolved, and of bounded depth."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.api.model_schemas import REFERENCE_PREFIX

MAX_DEPTH: Final = 6
"""How deep members are nested at most; what is deeper is not shown."""

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FieldNode:
    """A member of an object, to show."""

    name: str
    """Its name."""
    type: str
    """Its type, as in `array of string` or `integer | null`."""
    required: bool
    """Whether it is always there, or has to be."""
    description: str
    """What it means."""
    choices: tuple[Any, ...]
    """The values that it can have; empty if there is no such list."""
    limits: Mapping[str, Any]
    """Its limits by the JSON Schema's keyword."""
    default: Any
    """What counts where it is left out; None if nothing does."""
    members: "tuple[FieldNode, ...]"
    """Its own members."""


class SchemaReader:
    """Reads the schemas of one OpenAPI document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._schemas: Mapping[str, Schema] = document["components"]["schemas"]

    def resolve(self, schema: Schema) -> Schema:
        """Return a schema without a reference at its root; what stands beside the reference wins."""
        visited: set[str] = set()
        while (reference := schema.get("$ref")) is not None and reference not in visited:
            visited.add(reference)
            target = self._schemas.get(reference.removeprefix(REFERENCE_PREFIX), {})
            schema = {**target, **{name: value for name, value in schema.items() if name != "$ref"}}
        return schema

    def list_members(self, schema: Schema) -> tuple[FieldNode, ...]:
        """Return the members of an object, of the elements of a list, or of all alternatives."""
        return tuple(self._list_members(schema, 0))

    def list_alternatives(self, schema: Schema) -> list[Schema]:
        """Return the schemas of which one holds, without that of null; a schema without alternatives alone."""
        schema = self.resolve(schema)
        options = schema.get("anyOf") or schema.get("oneOf")
        if not options:
            return [schema]
        resolved = [self.resolve(one) for one in options]
        return [one for one in resolved if one.get("type") != "null"]

    def name_type(self, schema: Schema) -> str:
        """Return the type of a value as text."""
        schema = self.resolve(schema)
        options = schema.get("anyOf") or schema.get("oneOf")
        if options:
            return " | ".join(dict.fromkeys(self.name_type(one) for one in options))
        if "contentMediaType" in schema:
            return "file"
        kind = schema.get("type") or _infer_type(schema)
        if isinstance(kind, list):
            return " | ".join(kind)
        if kind == "array":
            return f"array of {self.name_type(schema.get('items', {}))}"
        return f"{kind} ({schema['format']})" if "format" in schema else str(kind)

    def _list_members(self, schema: Schema, depth: int) -> Iterator[FieldNode]:
        if depth >= MAX_DEPTH:
            return
        known: set[str] = set()
        for option in self._flatten(schema):
            required = option.get("required", ())
            for name, member in option.get("properties", {}).items():
                if name not in known:
                    known.add(name)
                    yield self._describe(name, member, name in required, depth)

    def _flatten(self, schema: Schema) -> Iterator[Schema]:
        """Yield the objects that a value of the schema can consist of."""
        schema = self.resolve(schema)
        if schema.get("type") == "array":
            yield from self._flatten(schema.get("items", {}))
            return
        yield schema
        named = set(schema.get("discriminator", {}).get("mapping", {}).values())
        for keyword in ("allOf", "anyOf", "oneOf"):
            parts = schema.get(keyword, ())
            # Of many named alternatives only the general one is shown: each has a place of its own.
            for part in [one for one in parts if one.get("$ref") not in named] or parts:
                yield from self._flatten(part)

    def _describe(self, name: str, schema: Schema, required: bool, depth: int) -> FieldNode:
        schema = self.resolve(schema)
        options = self.list_alternatives(schema)
        only = options[0] if len(options) == 1 else {}
        merged = {**only, **schema}
        items = self.resolve(merged.get("items", {}))
        choices = merged.get("enum") or items.get("enum") or ([merged["const"]] if "const" in merged else ())
        return FieldNode(
            name=name,
            type=self.name_type(schema),
            required=required,
            description=str(merged.get("description") or items.get("description") or ""),
            choices=tuple(choices),
            limits={word: merged[word] for word in LIMITS if merged.get(word) is not None},
            default=merged.get("default"),
            members=tuple(self._list_members(schema, depth + 1)),
        )


def _infer_type(schema: Schema) -> str:
    """Return the type of a schema that does not say it."""
    if "properties" in schema:
        return "object"
    return "string" if isinstance(schema.get("const"), str) else "any"


LIMITS: Final[Sequence[str]] = (
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "pattern",
)
"""The keywords of a JSON Schema that are shown as limits."""
