"""The AsyncAPI document: it is one, and what shops send is as it says."""

import json
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match

from gateway.app import Gateway
from gateway.events.event import NewEvent
from gateway.protocol.event_type import EVENT_TYPES, EventType
from gateway.protocol.vendor_events import VendorEvent
from tests.fleet.asyncapi_document import ChainDocument
from tests.fleet.cluster import HeadOffice
from tests.fleet.conftest import Open

OFFICIAL = Path(sys.prefix) / "typescript" / "node_modules" / "@asyncapi" / "specs" / "schemas"
"""Where `packaging/test.sh` installs the schemas of those who make AsyncAPI."""
DOCUMENT = ChainDocument()


def find_references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        for one in part.values():
            yield from find_references(one)
    elif isinstance(part, list):
        for one in part:
            yield from find_references(one)


def test_the_document_is_valid_by_the_official_schema() -> None:
    if not OFFICIAL.exists():
        pytest.skip("needs Node.js with npm, and what packaging/test.sh installs with it")
    schema = json.loads((OFFICIAL / "3.0.0.json").read_text(encoding="utf-8"))
    fault = best_match(Draft7Validator(schema).iter_errors(DOCUMENT.document))
    assert fault is None, f"{fault.json_path}: {fault.message[:500]}"


def test_each_reference_leads_somewhere() -> None:
    for reference in find_references(DOCUMENT.document):
        found: Any = DOCUMENT.document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


def test_each_member_says_what_it_means() -> None:
    for name, schema in DOCUMENT.document["components"]["schemas"].items():
        for member, described in schema.get("properties", {}).items():
            assert described.get("description") or "$ref" in described, f"{name}.{member}"


def make_value(annotation: Any, metadata: Any) -> Any:
    """Return a value that a field of an event may have."""
    if meanings := metadata.get("meanings"):
        return next(iter(meanings.values()))
    if get_origin(annotation) is Literal:
        return get_args(annotation)[0]
    if get_origin(annotation) is tuple:
        return ("127.0.0.1:443", "127.0.0.2:443")
    options = get_args(annotation) or (annotation,)
    values: dict[Any, Any] = {str: "text", bool: True, int: 7, Any: {"any": "thing"}}
    return next(values[option] for option in options if option in values)


def make_event(declared: type[EventType]) -> NewEvent:
    hints = get_type_hints(declared)
    made = declared(**{field.name: make_value(hints[field.name], field.metadata) for field in fields(declared)})
    if isinstance(made, VendorEvent):
        return NewEvent(made.type, "cloud", made.data, "FM02D96S00001", personal=made.personal)
    return NewEvent.by_gateway(made, camera="FM02D96S00001")


async def send(gateway: Gateway, *events: NewEvent) -> str:
    """Append events to the log of a gateway; return the id of the last one."""
    appended = [await gateway.event_log.append(event) for event in events]
    assert appended[-1] is not None
    return appended[-1].id


async def test_each_type_of_event_is_on_the_wire_as_documented(office: HeadOffice, open_gateway: Open) -> None:
    gateway = await open_gateway(office.settings("shop-1", people=True))
    undocumented = NewEvent("vendor.9999", "cloud", {"vendor_event": 9999, "payload": {"a": 1}}, personal=True)
    large = NewEvent("motion.detected", "camera", {"vendor_event": 1010, "payload": "x" * 2_000_000})
    seen: dict[str, str | None] = {}
    async with office.client() as client:
        heard = await client.subscribe("fleet.v1.*.event.>")
        await client.flush()
        events = [make_event(declared) for _, declared in sorted(EVENT_TYPES.items())]
        last = await send(
            gateway, *events, undocumented, large, NewEvent("price.changed", "cloud", {"vendor_event": 4100})
        )
        while True:
            message = await heard.next_msg(timeout=60)
            seen[message.subject] = DOCUMENT.find_mistake(message.subject, message.headers or {}, message.data)
            if json.loads(message.data)["id"] == last:
                break
    assert {subject: mistake for subject, mistake in seen.items() if mistake} == {}
    types = {subject.removeprefix("fleet.v1.shop-1.event.") for subject in seen}
    assert types == {*EVENT_TYPES, "vendor.9999", "fleet.skipped"}


async def test_what_a_gateway_says_of_itself_is_as_documented(office: HeadOffice, open_gateway: Open) -> None:
    async with office.client() as client:
        heard = await client.subscribe("$KV.>")
        await client.flush()
        gateway = await open_gateway(office.settings("shop-2"))
        await gateway.registry.manage("FM02D96S00001", "127.0.0.1:10443")
        message = await heard.next_msg(timeout=60)
    assert message.subject == "$KV.reported.shop-2"
    assert DOCUMENT.find_mistake(message.subject, {}, message.data) is None
