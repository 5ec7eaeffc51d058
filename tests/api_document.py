"""Checks responses of the REST API against its OpenAPI document: status, headers, media type and body.

`watch` does it for every response that a client of aiohttp gets in a test. There is no way to opt out; only the bodies
of streams are left alone.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry
from referencing.jsonschema import DRAFT202012

STREAM: Final = "text/event-stream"
UNDOCUMENTED_HEADERS: Final = re.compile(
    "access-control-.*|content-.*|cache-control|connection|date|keep-alive|referrer-policy|server|sec-websocket-.*"
    "|transfer-encoding|upgrade|vary"
    "|x-accel-buffering|x-content-type-options",
    re.IGNORECASE,
)
"""Headers that need no description: they are HTTP's own, and say nothing about the call."""

_URI: Final = "urn:document"
_PLACEHOLDER: Final = re.compile(r"\\\{\w+\\\}")


class ApiDocument:
    """The document, ready to check responses."""

    def __init__(self, document: Mapping[str, Any], *, open_schemas: Collection[str]) -> None:
        """Take the document. Its schemas are closed: a member that they do not have is a mistake, but in open ones."""
        self.document = json.loads(json.dumps(document, default=float))
        for name, schema in self.document["components"]["schemas"].items():
            if name not in open_schemas and "properties" in schema:
                schema.setdefault("additionalProperties", False)
        resource = DRAFT202012.create_resource(self.document)
        self._registry: Any = Registry().with_resource(_URI, resource)
        self._validators: dict[str, Validator] = {}
        self._patterns = [
            (re.compile(_PLACEHOLDER.sub("[^/]+", re.escape(path))), path)
            for path in self.document["paths"]
            if "{" in path
        ]

    def find_path(self, path: str) -> str | None:
        """Return the path of the document that a request's path fits; None if there is none."""
        if path in self.document["paths"]:
            return path
        return next((template for pattern, template in self._patterns if pattern.fullmatch(path)), None)

    def find_faults(
        self, method: str, path: str, status: int, headers: Mapping[str, str], body: bytes | None
    ) -> Iterator[str]:
        """Yield how a response differs from the document; `path` is one of it. The body is None if it is a stream."""
        methods = self.document["paths"][path]
        operation = methods.get("get" if method == "HEAD" else method.lower())
        if operation is None:
            expected = HTTPStatus.NO_CONTENT if method == "OPTIONS" else HTTPStatus.METHOD_NOT_ALLOWED
            # What names no request is another server, such as one in front of a gateway.
            others = (HTTPStatus.MISDIRECTED_REQUEST, HTTPStatus.FORBIDDEN)
            if status not in (expected, *others) and "X-Request-Id" in headers:
                yield f"there is no operation, but its status is {status}"
            return
        declared = operation["responses"].get(str(status))
        if declared is None and status < HTTPStatus.BAD_REQUEST:
            yield "the status is not declared"
            return
        declared = self._resolve(declared or operation["responses"]["default"])
        yield from self._find_header_faults(declared.get("headers", {}), headers)
        yield from self._find_body_faults(method, status, declared.get("content", {}), headers, body)

    def find_mistake(self, reference: str, value: Any) -> str | None:
        """Return why a value does not fit a schema of the document; None if it does."""
        error = best_match(self._validator(reference).iter_errors(value))
        return None if error is None else f"{error.json_path}: {error.message[:500]}"

    def _find_header_faults(self, declared: Mapping[str, Any], headers: Mapping[str, str]) -> Iterator[str]:
        names = {name.lower() for name in declared}
        for name in headers:
            if name.lower() not in names and not UNDOCUMENTED_HEADERS.fullmatch(name):
                yield f"the header {name} is not declared"
        for name, reference in declared.items():
            header = self._resolve(reference)
            if name in headers:
                value: Any = headers[name]
                if header["schema"]["type"] == "integer":
                    value = int(value) if value.isdigit() else value
                if error := best_match(Draft202012Validator(header["schema"]).iter_errors(value)):
                    yield f"the header {name}: {error.message}"
            elif header.get("required"):
                yield f"the header {name} is missing"

    def _find_body_faults(
        self, method: str, status: int, content: Mapping[str, Any], headers: Mapping[str, str], body: bytes | None
    ) -> Iterator[str]:
        if body is None or method == "HEAD":
            return
        if not content:
            if body:
                yield "it has a body, and none is declared"
            return
        kind = headers.get("Content-Type", "").partition(";")[0]
        if kind not in content:
            yield f"the media type {kind!r} is not declared"
        elif kind.endswith("json"):
            document = json.loads(body)
            if mistake := self.find_mistake(content[kind]["schema"]["$ref"], document):
                yield mistake
            if kind == "application/problem+json" and document.get("status") != status:
                yield "the problem has another status"

    def _resolve(self, part: Mapping[str, Any]) -> Mapping[str, Any]:
        reference = part.get("$ref")
        if reference is None:
            return part
        found: Any = self.document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        return self._resolve(found)

    def _validator(self, reference: str) -> Validator:
        if reference not in self._validators:
            self._validators[reference] = _VALIDATOR(
                {"$ref": f"{_URI}{reference}"}, registry=self._registry, format_checker=FormatChecker()
            )
        return self._validators[reference]


def _validate_one_of(
    validator: Any, options: list[Mapping[str, Any]], instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """Check against the alternative that the discriminator names. To try each takes long, and tells less."""
    discriminator = schema.get("discriminator")
    if discriminator is None or not isinstance(instance, dict):
        yield from Draft202012Validator.VALIDATORS["oneOf"](validator, options, instance, schema)
        return
    mapping = discriminator["mapping"]
    named = mapping.get(instance.get(discriminator["propertyName"]))
    unnamed = [option for option in options if option["$ref"] not in mapping.values()]
    yield from validator.descend(instance, unnamed[0] if named is None else {"$ref": named})


_VALIDATOR: Final[Any] = extend(Draft202012Validator, {"oneOf": _validate_one_of})  # type: ignore[no-untyped-call]


@cache
def build_gateway_document() -> dict[str, Any]:
    """Return the gateway's document, built once for all tests of a process. Nobody may change it."""
    # Imported here: most tests need none of it.
    from gateway.api.openapi import build_document
    from gateway.api.route_table import list_routes

    return build_document(list_routes())


@cache
def load_document() -> ApiDocument:
    """Return the gateway's document. The vendor may always add members to its own schemas."""
    from gateway.api.vendor_schemas import build_vendor_schemas
    from gateway.protocol.catalogue import CATALOGUE

    vendors = {name for endpoint in CATALOGUE.endpoints for name in build_vendor_schemas(endpoint)}
    return ApiDocument(build_gateway_document(), open_schemas=vendors)


def watch(monkeypatch: Any) -> list[str]:
    """Check every response that clients get from now on. Returns the list to which faults are added."""
    faults: list[str] = []

    async def check(_: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestEndParams) -> None:
        response = params.response
        path = load_document().find_path(params.url.path)
        if path is None:
            return
        try:
            is_stream = response.content_type == STREAM or response.status == HTTPStatus.SWITCHING_PROTOCOLS
            body = None if is_stream else await response.read()
        except (aiohttp.ClientError, OSError):
            return  # the connection broke
        found = load_document().find_faults(params.method, path, response.status, response.headers, body)
        faults.extend(f"{params.method} {params.url.path} {response.status}: {fault}" for fault in found)

    tracing = aiohttp.TraceConfig()
    tracing.on_request_end.append(check)
    make = aiohttp.ClientSession.__init__

    def make_watched(session: aiohttp.ClientSession, *arguments: Any, **given: Any) -> None:
        make(session, *arguments, **given | {"trace_configs": [*(given.get("trace_configs") or ()), tracing]})

    monkeypatch.setattr(aiohttp.ClientSession, "__init__", make_watched)
    return faults
