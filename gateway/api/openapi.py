"""The OpenAPI 3.1 document, derived from the routes and the catalogue: one concrete path per vendor endpoint."""

from collections.abc import Iterable
from typing import Any

from gateway import __version__
from gateway.api import queued_calls
from gateway.api.event_schemas import event_schema
from gateway.api.general_responses import GENERAL_RULES, add_general_responses, general_components
from gateway.api.query import describe_query
from gateway.api.route import Route
from gateway.api.scopes import GRANTS, SCOPES
from gateway.api.vendor_schemas import request_schema, response_schema
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Endpoint, Scope

_PROBLEM = {
    "type": "object",
    "description": "A failure (RFC 9457). `code` is for programs, `detail` for people.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "request_id": {"type": "string", "description": "Names the request in the gateway's log."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"parameter": {"type": "string"}, "reason": {"type": "string"}},
            },
        },
        "outbox_id": {"type": "string", "description": "The queued call that failed, as the outbox names it."},
        "vendor_code": {"type": "integer"},
        "vendor_meaning": {"type": "string"},
        "vendor_answer": {},
        "certificate_sha256": {"type": "string"},
    },
}

_EVENT_DELIVERY = {
    "summary": "An event for a till, as a webhook sends it",
    "description": "Signed as the Standard Webhooks specification says. An event comes again until the till responds "
    "with a 2xx status.",
    "parameters": [
        {"name": name, "in": "header", "required": True, "description": description, "schema": {"type": "string"}}
        for name, description in (
            ("webhook-id", "The id of the event, the same for each attempt."),
            ("webhook-timestamp", "When it was sent, in Unix seconds."),
            ("webhook-signature", "The signature over id, timestamp and body."),
        )
    ],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Event"}}},
    },
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
    paths: dict[str, Any] = {}
    for route in routes:
        if route.documented:
            paths.setdefault(route.path, {})[route.method.lower()] = _describe_route(route)
    for endpoint in CATALOGUE.endpoints:
        paths[local_path(endpoint)] = {"post": _describe_endpoint(endpoint)}
    general = general_components()
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
        "webhooks": {"event": {"post": _EVENT_DELIVERY}},
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "headers": general["headers"],
            "schemas": {"Problem": _PROBLEM, "Event": event_schema()},
            "responses": general["responses"]
            | {
                "Problem": {
                    "description": "A failure.",
                    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
            },
        },
        "security": [{"token": []}],
    }


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
        "responses": {str(code): {"description": text} for code, text in route.responses.items()},
    }
    operation["responses"]["default"] = {"$ref": "#/components/responses/Problem"}
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
        schema = route.body.model_json_schema()
        operation["requestBody"] = {
            "required": bool(schema.get("required")),
            "content": {"application/json": {"schema": schema}},
        }
    if route.scope is None:
        operation["security"] = []
    add_general_responses(
        operation,
        needs_token=route.scope is not None,
        reads_body=route.body is not None,
        has_path_parameters="{" in route.path,
        has_etag=route.etag_ignores is not None,
    )
    return operation


def _describe_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    scope = _describe_scope(endpoint.scope, endpoint.pos_setting)
    source = f"Source: the vendor's page {endpoint.source}; confidence {endpoint.confidence}."
    texts = (endpoint.note, scope, _describe_availability(endpoint), source)
    operation: dict[str, Any] = {
        "tags": [endpoint.side],
        "operationId": f"{endpoint.side}_{endpoint.path.replace('/', '_')}",
        "summary": endpoint.title,
        "description": "\n\n".join(filter(None, texts)),
        "requestBody": _describe_body(endpoint),
        "responses": {
            "200": {
                "description": "The vendor's response, with code 0.",
                "content": {"application/json": {"schema": response_schema(endpoint)}},
            },
            "422": {
                "description": "The vendor refused: "
                + ", ".join(f"{code.code} {code.meaning}" for code in endpoint.return_codes if code.code),
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }
    if endpoint.side == "camera":
        operation["parameters"] = [_SN_PARAMETER]
    queued_calls.add_queueing(operation, endpoint)
    add_general_responses(operation, needs_token=True, reads_body=True, side=endpoint.side)
    return operation


def _describe_body(endpoint: Endpoint) -> dict[str, Any]:
    kind = "multipart/form-data" if endpoint.takes_file else "application/json"
    schema = request_schema(endpoint)
    return {"required": "required" in schema, "content": {kind: {"schema": schema}}}


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
