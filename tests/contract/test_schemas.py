"""The schemas of the OpenAPI document: what generators and readers need of them holds for every one."""

import re
from collections.abc import Iterator
from typing import Any

from tests.api_document import build_gateway_document, load_document
from tests.each import for_each

DOCUMENT = build_gateway_document()
VENDORS = re.compile("(Camera|Cloud).*(Request|Response)")
"""The vendor leaves some of its own without a description."""


def test_no_schema_has_a_member_of_its_own_name() -> None:
    # In a generated client, the variable of the member would hide that of the object.
    for name, schema in DOCUMENT["components"]["schemas"].items():
        own = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
        assert own not in schema.get("properties", {}), name


def test_each_object_is_a_schema_with_a_name() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for name, schema in schemas.items():
        for member, described in schema.get("properties", {}).items():
            options = [described, described.get("items", {}), *described.get("anyOf", ())]
            assert not any("properties" in one for one in options), f"{name}.{member}"
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            for part in (operation.get("requestBody", {}), *operation["responses"].values()):
                for kind, content in part.get("content", {}).items():
                    is_json = kind.endswith(("json", "urlencoded")) or kind.startswith("multipart/")
                    assert not is_json or set(content["schema"]) == {"$ref"}, f"{operation['operationId']} {path}"


def test_each_member_says_what_it_means() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        if VENDORS.match(name):
            continue
        assert schema.get("description") or "enum" in schema, name
        for member, described in schema.get("properties", {}).items():
            assert described.get("description") or "$ref" in described, f"{name}.{member}"


def find_examples(pointer: str, schema: Any) -> Iterator[tuple[str, Any]]:
    """Yield the examples in a schema, with the place of what they are an example of."""
    for example in schema.get("examples", ()):
        yield pointer, example
    for name, member in schema.get("properties", {}).items():
        yield from find_examples(f"{pointer}/properties/{name}", member)
    for number, option in enumerate(schema.get("anyOf", ())):
        yield from find_examples(f"{pointer}/anyOf/{number}", option)


@for_each(DOCUMENT["components"]["schemas"])
def test_examples_are_valid(name: str) -> None:
    for pointer, example in find_examples(f"#/components/schemas/{name}", DOCUMENT["components"]["schemas"][name]):
        assert load_document().find_mistake(pointer, example) is None, pointer


def test_an_enumeration_of_texts_has_one_name() -> None:
    places: dict[tuple[str, ...], str] = {}
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for member, described in schema.get("properties", {}).items():
            for one in (described, described.get("items", {}), *described.get("anyOf", ())):
                values = tuple(one.get("enum", ()))
                if values and one.get("type") == "string" and not VENDORS.match(name):
                    place = f"{name}.{member}"
                    assert places.setdefault(values, place) == place
