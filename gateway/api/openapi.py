"""The OpenAPI 3.1 document, derived from the routes and the catalogue: one concrete path per vendor endpoint."""

from collections.abc import Iterable, Mapping
from typing import Any

from gateway import __version__
from gateway.api import queued_calls
from gateway.api.event_schemas import EVENT, build_event_schemas
from gateway.api.general_responses import (
    DEFAULT_HEADERS,
    GENERAL_RULES,
    add_general_responses,
    describe_optional_headers,
    general_components,
    refer_to_headers,
)
from gateway.api.model_schemas import REFERENCE_PREFIX, Schema, build_schemas, name_enumerations, refer
from gateway.api.models import MODELS
from gateway.api.query import describe_query
from gateway.api.route import REQUEST_ID_HEADER, DeclaredResponse, Route
from gateway.api.scopes import GRANTS, SCOPES
from gateway.api.validation import RequestModel
from gateway.api.vendor_schemas import build_vendor_schemas, operation_id, request_name, request_schema, response_name
from gateway.errors import VendorRefused
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Endpoint, Scope
from gateway.protocol.reference import describe_relay_policy

_EVENT_DELIVERY = {
    "operationId": "receive_event",
    "summary": "An event for a till, as a webhook sends it",
    "description": "Signed as the Standard Webhooks specification says: `webhook-signature` is `v1,` and the "
    "HMAC-SHA256 in base64 of `webhook-id`, `webhook-timestamp` and the body, joined by dots. The key is what follows "
    "`whsec_` in the webhook's secret, decoded from base64. An event comes again until the till responds with a 2xx "
    "status.",
    "parameters": [
        {
            "name": name,
            "in": "header",
            "required": True,
            "description": description,
            "schema": {"type": "string"},
            "example": example,
        }
        for name, description, example in (
            ("webhook-id", "The id of the event, the same for each attempt.", "5f3a9c-1042"),
            (
                "webhook-timestamp",
                "When it was sent, in Unix seconds. A till refuses what is more than minutes old.",
                "1795269787",
            ),
            (
                "webhook-signature",
                "The signature over id, timestamp and body.",
                "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
            ),
        )
    ],
    "requestBody": {"required": True, "content": {"application/json": {"schema": refer(EVENT)}}},
    "responses": {"2XX": {"description": "The till has it."}},
}
_SN_PARAMETER = {
    "name": "sn",
    "in": "path",
    "required": True,
    "description": "The camera's serial number.",
    "schema": {"type": "string"},
}


def build_document(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the whole document for these routes and the catalogue."""
    documented = [route for route in routes if route.documented]
    paths: dict[str, Any] = {}
    for route in documented:
        paths.setdefault(route.path, {})[route.method.lower()] = _describe_route(route)
    for endpoint in CATALOGUE.endpoints:
        paths[local_path(endpoint)] = {"post": _describe_endpoint(endpoint)}
    webhooks = {"event": {"post": _EVENT_DELIVERY}}
    general = general_components()
    default = DeclaredResponse("A failure.", "Problem", headers=DEFAULT_HEADERS)
    responses = general["responses"] | {"Problem": _describe_response(default)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "SUNMI store gateway",
            "version": __version__,
            "description": "The local API of the gateway in the store: cameras, and everything the cloud offers. "
            + GENERAL_RULES,
        },
        "servers": [{"url": "/", "description": "This gateway."}],
        "tags": [
            {"name": "gateway", "description": "The gateway's own calls."},
            {"name": "camera", "description": "Every endpoint of a camera, passed on."},
            {"name": "cloud", "description": "Every endpoint of the cloud, passed on."},
        ],
        "paths": paths,
        "webhooks": webhooks,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": _select_used(_build_all_schemas(documented), [paths, webhooks, responses]),
            "responses": responses,
            "headers": general["headers"],
        },
        "security": [{"token": []}],
    }


def _build_all_schemas(routes: Iterable[Route]) -> dict[str, Schema]:
    bodies = {body.__name__: body for route in routes for body in (route.body, route.form) if body is not None}
    schemas = {**build_schemas(bodies, "validation"), **build_schemas(MODELS, "serialization"), **build_event_schemas()}
    for endpoint in CATALOGUE.endpoints:
        schemas |= build_vendor_schemas(endpoint)
    return name_enumerations(schemas)


def _select_used(schemas: Mapping[str, Schema], parts: Iterable[Any]) -> dict[str, Schema]:
    """Return the schemas to which these parts of the document refer, and those to which these refer."""
    used: set[str] = set()
    pending = list(parts)
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            name = str(part.get("$ref", "")).removeprefix(REFERENCE_PREFIX)
            if name in schemas and name not in used:
                used.add(name)
                pending.append(schemas[name])
        pending += part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return {name: schemas[name] for name in sorted(used)}


def local_path(endpoint: Endpoint) -> str:
    """Return the local path of a vendor endpoint."""
    if endpoint.side == "camera":
        return f"/api/v1/cameras/{{sn}}/openapi/{endpoint.path}"
    return f"/api/v1/cloud/{endpoint.path}"


def _describe_route(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "tags": ["gateway"],
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "description": _describe_scope(route.scope, route.pos_setting),
        "responses": _describe_responses(route.responses),
    }
    names = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    parameters = [
        _SN_PARAMETER if name == "sn" else {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in names
    ]
    if route.query is not None:
        parameters += describe_query(route.query)
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = _describe_body(route.body, "application/json")
    for kind in route.file_types:
        taken = operation.setdefault("requestBody", {"required": True, "content": {}})
        taken["content"][kind] = {"schema": {"type": "string", "format": "binary"}}
    if route.form is not None:
        operation["requestBody"] = _describe_body(route.form, "application/x-www-form-urlencoded")
    if route.scope is None:
        operation["security"] = []
    add_general_responses(
        operation,
        needs_token=route.scope is not None,
        reads_body=route.body is not None or bool(route.file_types),
        has_path_parameters="{" in route.path,
        has_etag=route.etag_ignores is not None,
    )
    return operation


def _describe_body(body: type[RequestModel], content_type: str) -> dict[str, Any]:
    is_required = any(member.is_required() for member in body.model_fields.values())
    return {"required": is_required, "content": {content_type: {"schema": refer(body.__name__)}}}


def _describe_responses(responses: Mapping[int, DeclaredResponse]) -> dict[str, Any]:
    described = {str(status): _describe_response(declared) for status, declared in sorted(responses.items())}
    return described | {"default": {"$ref": "#/components/responses/Problem"}}


def _describe_response(declared: DeclaredResponse) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if declared.model:
        kind = "application/problem+json" if declared.model == "Problem" else "application/json"
        content[kind] = {"schema": refer(declared.model)}
    for kind in declared.content_types:
        is_text = kind.startswith("text/")
        content[kind] = {"schema": {"type": "string"} if is_text else {"type": "string", "format": "binary"}}
    headers = refer_to_headers(REQUEST_ID_HEADER, *declared.headers)
    headers |= describe_optional_headers(*declared.optional_headers)
    return {"description": declared.meaning, "headers": headers} | ({"content": content} if content else {})


def _describe_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    source = f"Source: the vendor's page {endpoint.source}; confidence {endpoint.confidence}."
    texts = [
        endpoint.note,
        _describe_scope(endpoint.scope, endpoint.pos_setting),
        _describe_availability(endpoint),
        source,
    ]
    parameters: list[Any] = [_SN_PARAMETER] if endpoint.side == "camera" else []
    refusals = ", ".join(f"{code.code} {code.meaning}" for code in endpoint.return_codes if code.code)
    responses = {
        200: DeclaredResponse("The vendor's response, with code 0.", response_name(endpoint)),
        VendorRefused.status: DeclaredResponse(f"The vendor refused: {refusals}", "Problem"),
    }
    if endpoint.relay is not None:
        texts.append(" ".join(describe_relay_policy(endpoint.relay)))
        parameters += queued_calls.REQUEST_HEADERS
        responses = queued_calls.declare_queueing(responses)
    operation: dict[str, Any] = {
        "tags": [endpoint.side],
        "operationId": operation_id(endpoint),
        "summary": endpoint.title,
        "description": "\n\n".join(filter(None, texts)),
        "requestBody": _describe_call_body(endpoint),
        "responses": _describe_responses(responses),
    }
    if parameters:
        operation["parameters"] = parameters
    add_general_responses(operation, needs_token=True, reads_body=True, side=endpoint.side)
    return operation


def _describe_call_body(endpoint: Endpoint) -> dict[str, Any]:
    kind = "multipart/form-data" if endpoint.takes_file else "application/json"
    is_required = "required" in request_schema(endpoint)
    return {"required": is_required, "content": {kind: {"schema": refer(request_name(endpoint))}}}


def _describe_scope(scope: Scope | None, pos_setting: str = "") -> str:
    if scope is None:
        return "No token is needed."
    including = [other for other in SCOPES if other != scope and scope in GRANTS[other]]
    included = f", which {' and '.join(including)} include{'s' * (len(including) == 1)}" if including else ""
    relaxed = f" `server.{pos_setting}` lets pos suffice." if pos_setting else ""
    return f"Needs a token of scope {scope}{included}.{relaxed}"


def _describe_availability(endpoint: Endpoint) -> str:
    texts = {
        "available": "",
        "developing": "The vendor calls this endpoint under development.",
        "unavailable": "The vendor calls this endpoint unavailable.",
        "listed": "The vendor lists this endpoint without describing it.",
    }
    return texts[endpoint.availability]
