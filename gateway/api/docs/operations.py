"""The calls of the OpenAPI document as the pages show them, in sections."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlencode

from gateway.api.docs.code_examples import CodeExample, ExampleCall, make_code_examples
from gateway.api.docs.example_values import ExampleMaker
from gateway.api.docs.field_tree import FieldNode, Schema, SchemaReader
from gateway.api.route import REQUEST_ID_HEADER

SECTION_ORDER: Final = (
    "cloud-order", "products", "cloud-product", "labels", "events", "outbox", "cameras", "flow", "shop", "gateway",
    "camera", "cloud-device", "cloud-template", "cloud-face", "cloud-passengerFlow", "cloud-media", "cloud-hook",
)  # fmt: skip
"""The sections in the order of the pages: first what a till needs. A new one comes last."""
_OWN_SECTIONS: Final = (
    ("cameras", ("/api/v1/cameras", "/api/v1/discovery")),
    ("outbox", ("/api/v1/outbox",)),
    ("events", ("/api/v1/events", "/api/v1/webhooks", "/api/v1/hooks", "/hooks/")),
    ("flow", ("/api/v1/flow",)),
    ("products", ("/api/v1/products", "/api/v1/product-", "/saas/")),
    ("labels", ("/api/v1/labels", "/api/v1/label-")),
    ("shop", ("/api/v1/site-plan", "/api/v1/hotspots", "/api/v1/demonstration")),
)
"""Sections of the gateway's own calls, by the beginnings of their paths; the others are in the section `gateway`."""
_HTTP_METHODS: Final = ("get", "put", "post", "delete", "patch")
_STREAM: Final = "text/event-stream"
_SUCCESS: Final = re.compile(r"2..")


class StatusDescription(NamedTuple):
    """A response that a call can have, beside those that many calls have."""

    status: str
    """The HTTP status."""
    description: str
    """What it means."""
    headers: Mapping[str, str]
    """Its headers, and what each says."""
    content_types: tuple[str, ...]
    """The media types of its body."""
    members: tuple[FieldNode, ...]
    """The members of its body; empty for a problem."""
    example: str
    """An example of its body as JSON; empty if there is none."""


@dataclass(frozen=True, slots=True)
class OperationPage:
    """A call as the pages show it."""

    id: str
    """Its id in the OpenAPI document, and the name of its place in the page."""
    section: str
    """The key of its section."""
    method: str
    """The HTTP method."""
    path: str
    """The path with its placeholders."""
    summary: str
    """What it does, in a line."""
    description: str
    """What else there is to say."""
    parameters: tuple[FieldNode, ...]
    """Its parameters in path, query and headers."""
    places: Mapping[str, str]
    """Where each parameter is: `path`, `query` or `header`."""
    body_type: str
    """The media type of the body; empty if it takes none."""
    body: tuple[FieldNode, ...]
    """The members of the body."""
    responses: tuple[StatusDescription, ...]
    """What it can respond, the successes first."""
    general_failures: tuple[str, ...]
    """The statuses of failures that many calls have alike."""
    examples: tuple[CodeExample, ...]
    """The call as code."""
    stream_examples: tuple[CodeExample, ...]
    """The call as code that reads a stream; empty if it has none."""

    @property
    def search_text(self) -> str:
        """What a search finds it by, in lower case."""
        names = [field.name for field in (*self.parameters, *self.body)]
        return " ".join([self.id, self.method, self.path, self.summary, *names]).lower()


class OperationReader:
    """Reads the calls of one OpenAPI document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.schemas = SchemaReader(document)
        self._examples = ExampleMaker(self.schemas)
        self._document = document

    def read_webhooks(self) -> Iterator[OperationPage]:
        """Yield every call that the gateway makes at a till."""
        for webhook in self._document["webhooks"].values():
            for method, operation in webhook.items():
                yield self._read(method.upper(), "", {"tags": [""], **operation})

    def read_all(self) -> Iterator[OperationPage]:
        """Yield every call in the order of the document."""
        for path, methods in self._document["paths"].items():
            for method in _HTTP_METHODS:
                if method in methods:
                    yield self._read(method.upper(), path, methods[method])

    def _read(self, method: str, path: str, operation: Mapping[str, Any]) -> OperationPage:
        content = operation.get("requestBody", {}).get("content", {})
        body_type, body = next(iter((kind, one["schema"]) for kind, one in content.items()), ("", {}))
        declared = [self._resolve(one) for one in operation.get("parameters", ())]
        own = {status: one for status, one in operation["responses"].items() if "$ref" not in one}
        responses = [self._read_response(status, one) for status, one in own.items()]
        success = next((one for one in responses if _SUCCESS.fullmatch(one.status)), None)
        types = success.content_types if success is not None else ()
        call = ExampleCall(
            method=method,
            path=path + _make_query(declared),
            needs_token=operation.get("security", True) != [],
            body=self._examples.make_request(body) if body_type and body else None,
            files=self._list_files(body) if body_type == "multipart/form-data" else (),
            returns_json=not types or "application/json" in types,
        )
        if call.files and isinstance(call.body, dict):  # what is left of the body beside its files
            call = replace(call, body={name: value for name, value in call.body.items() if name not in call.files})
        return OperationPage(
            id=operation["operationId"],
            section=choose_section(operation["tags"][0], path),
            method=method,
            path=path,
            summary=operation["summary"],
            description=operation["description"],
            parameters=self._list_parameters(declared),
            places={one["name"]: one["in"] for one in declared},
            body_type=body_type,
            body=self.schemas.list_members(body),
            responses=tuple(sorted(responses, key=lambda one: (not _SUCCESS.fullmatch(one.status), one.status))),
            general_failures=tuple(
                sorted(one for one in operation["responses"] if one not in own and one != "default")
            ),
            examples=tuple(make_code_examples(call)),
            stream_examples=_make_stream_examples(call) if _STREAM in types else (),
        )

    def _list_files(self, body: Schema) -> tuple[str, ...]:
        members = self.schemas.resolve(body).get("properties", {})
        return tuple(name for name, member in members.items() if "contentMediaType" in member)

    def _list_parameters(self, declared: list[Any]) -> tuple[FieldNode, ...]:
        schema = {
            "type": "object",
            "required": [one["name"] for one in declared if one.get("required")],
            "properties": {
                one["name"]: {**self.schemas.resolve(one["schema"]), "description": one.get("description", "")}
                for one in declared
            },
        }
        return self.schemas.list_members(schema)

    def _read_response(self, status: str, response: Mapping[str, Any]) -> StatusDescription:
        content = response.get("content", {})
        schema = content.get("application/json", {}).get("schema", {})
        headers = {
            name: self._resolve(one).get("description", "")
            for name, one in response.get("headers", {}).items()
            if name != REQUEST_ID_HEADER  # which every response has
        }
        example = self._examples.make_response(schema) if schema else None
        return StatusDescription(
            status=status,
            description=response.get("description", ""),
            headers=headers,
            content_types=tuple(content),
            members=self.schemas.list_members(schema) if schema else (),
            example=json.dumps(example, ensure_ascii=False, indent=2) if example else "",
        )

    def _resolve(self, component: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a header, parameter or response, whether it stands here or among the components."""
        found: Any = component
        if "$ref" in component:
            found = self._document
            for name in component["$ref"].removeprefix("#/").split("/"):
                found = found[name]
        return cast("Mapping[str, Any]", found)


def choose_section(tag: str, path: str) -> str:
    """Return the key of the section of a call."""
    if tag == "cloud":
        return f"cloud-{path.removeprefix('/api/v1/cloud/').partition('/')[0]}"
    if tag == "camera":
        return "camera"
    return next((key for key, beginnings in _OWN_SECTIONS if path.startswith(beginnings)), "gateway")


def _make_query(declared: list[Any]) -> str:
    """Return the query with the parameters that are required."""
    required = [one for one in declared if one["in"] == "query" and one.get("required")]
    values = {one["name"]: "2026-11-21" for one in required}
    return f"?{urlencode(values)}" if values else ""


def _make_stream_examples(call: ExampleCall) -> tuple[CodeExample, ...]:
    return tuple(make_code_examples(replace(call, is_stream=True)))
