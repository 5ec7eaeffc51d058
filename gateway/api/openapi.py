"""The OpenAPI 3.1 document, derived from the routes and the catalogue: one concrete path per vendor endpoint."""

from collections.abc import Iterable
from typing import Any

from gateway import __version__
from gateway.api import queued_calls
from gateway.api.event_schemas import event_schema
from gateway.api.query import describe_query
from gateway.api.route import Route
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Endpoint, ResponseField
from gateway.protocol.parameters import Parameter

_JSON_TYPES = {"string": "string", "int": "integer", "number": "number", "array": "array", "object": "object"}

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
        "vendor_code": {"type": "integer"},
        "vendor_meaning": {"type": "string"},
        "vendor_answer": {},
        "certificate_sha256": {"type": "string"},
    },
}

_EVENT_DELIVERY = {
    "summary": "An event for a till, as a webhook sends it",
    "description": "Signed as the Standard Webhooks specification says. An event comes again until the till answers "
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

_SN = {
    "name": "sn",
    "in": "path",
    "required": True,
    "description": "The camera's serial number.",
    "schema": {"type": "string"},
}


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the whole document for these routes and the catalogue."""
    paths: dict[str, Any] = {}
    for route in routes:
        if route.documented:
            paths.setdefault(route.path, {})[route.method.lower()] = _own(route)
    for endpoint in CATALOGUE.endpoints:
        paths[vendor_path(endpoint)] = {"post": _vendor(endpoint)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "SUNMI store gateway",
            "version": __version__,
            "description": "The local API of the gateway in the store: cameras, and everything the cloud offers.",
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
            "schemas": {"Problem": _PROBLEM, "Event": event_schema()},
            "responses": {
                "Problem": {
                    "description": "A failure.",
                    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
            },
        },
        "security": [{"token": []}],
    }


def vendor_path(endpoint: Endpoint) -> str:
    """Return the local path of a vendor endpoint."""
    if endpoint.side == "camera":
        return f"/api/v1/cameras/{{sn}}/openapi/{endpoint.path}"
    return f"/api/v1/cloud/{endpoint.path}"


def _own(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "tags": ["gateway"],
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "description": _scope_text(route.scope),
        "responses": {str(code): {"description": text} for code, text in route.responses.items()},
    }
    operation["responses"]["default"] = {"$ref": "#/components/responses/Problem"}
    names = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    given = [
        _SN if name == "sn" else {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in names
    ]
    if route.query is not None:
        given += describe_query(route.query)
    if given:
        operation["parameters"] = given
    if route.body is not None:
        schema = route.body.model_json_schema()
        operation["requestBody"] = {
            "required": bool(schema.get("required")),
            "content": {"application/json": {"schema": schema}},
        }
    if route.scope is None:
        operation["security"] = []
    return operation


def _vendor(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "tags": [endpoint.side],
        "operationId": f"{endpoint.side}_{endpoint.path.replace('/', '_')}",
        "summary": endpoint.title,
        "description": "\n\n".join(
            text for text in (endpoint.note, _scope_text(endpoint.scope), _availability_text(endpoint)) if text
        ),
        "requestBody": _request_body(endpoint),
        "responses": {
            "200": {
                "description": "The vendor's answer, with code 0.",
                "content": {"application/json": {"schema": _answer_schema(endpoint)}},
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
        operation["parameters"] = [_SN]
    queued_calls.describe(operation, endpoint)
    return operation


def _request_body(endpoint: Endpoint) -> dict[str, Any]:
    filled = {"shop_id"}  # filled in from the settings, so that a caller need not give it
    required = [one.name for one in endpoint.parameters if one.required and one.name not in filled]
    schema: dict[str, Any] = {
        "type": "object",
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
    kind = "multipart/form-data" if endpoint.takes_file else "application/json"
    return {"required": bool(required), "content": {kind: {"schema": schema}}}


def _parameter_schema(parameter: Parameter) -> dict[str, Any]:
    if parameter.type == "file":
        return {"type": "string", "contentMediaType": "application/octet-stream", "description": parameter.description}
    schema: dict[str, Any] = {"type": _JSON_TYPES[parameter.type]}
    bounds = {
        "description": parameter.description or None,
        "minimum": parameter.min,
        "maximum": parameter.max,
        "minLength": None if parameter.allow_empty else parameter.min_length,
        "maxLength": parameter.max_length,
        "default": parameter.default,
        "format": "date" if parameter.format == "date" else None,
        "examples": None if parameter.example is None else [parameter.example],
    }
    schema |= {name: value for name, value in bounds.items() if value is not None}
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


def _items_schema(parameter: Parameter) -> dict[str, Any]:
    if parameter.items != "object":
        return {"type": _JSON_TYPES[parameter.items or "string"]}
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
        schema["type"] = [schema["type"], "string" if schema["type"] != "string" else "integer"]
    return schema


def _answer_schema(endpoint: Endpoint) -> dict[str, Any]:
    data: dict[str, Any] = {"type": "object"}
    for known in endpoint.response_fields:
        _place(data, known)
    return {
        "type": "object",
        "required": ["code"],
        "properties": {"code": {"type": "integer"}, "msg": {"type": "string"}, "data": data},
    }


def _place(schema: dict[str, Any], known: ResponseField) -> None:
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
    text = f"{known.description} Masked for all but admin.".strip() if known.secret else known.description
    if text:
        leaf["description"] = text


def _scope_text(scope: str | None) -> str:
    return "No token is needed." if scope is None else f"Needs a token of scope {scope} or above."


def _availability_text(endpoint: Endpoint) -> str:
    texts = {
        "available": "",
        "developing": "The vendor calls this endpoint under development.",
        "unavailable": "The vendor calls this endpoint unavailable.",
        "listed": "The vendor lists this endpoint without describing it.",
    }
    return texts[endpoint.availability]
