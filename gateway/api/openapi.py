"""The OpenAPI 3.1 document, derived from the routes and the catalogue: one concrete path per vendor endpoint."""

from collections.abc import Iterable
from typing import Any

from gateway.access.scopes import GRANTS, SCOPES
from gateway.api import queued_calls
from gateway.api.event_schemas import EVENT, build_event_schemas
from gateway.api.general_responses import (
    GENERAL_RULES,
    add_general_responses,
)
from gateway.api.model_schemas import Schema, build_schemas, name_enumerations, refer
from gateway.api.models import MODELS
from gateway.api.operation_schemas import (
    OWN_TAG,
    SN_PARAMETER,
    assemble_document,
    describe_responses,
    describe_route,
    describe_scope,
)
from gateway.api.route import DeclaredResponse, Route
from gateway.api.vendor_schemas import build_vendor_schemas, operation_id, request_name, request_schema, response_name
from gateway.errors import VendorRefused
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Endpoint
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
            ("webhook-id", "The id of the event, the same for each attempt.", "5f3a9c70b2d84e16-1042"),
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


def build_document(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the whole document for these routes and the catalogue."""
    documented = [route for route in routes if route.documented]
    paths: dict[str, Any] = {}
    for route in documented:
        paths.setdefault(route.path, {})[route.method.lower()] = describe_route(
            route, _describe_scope(route.scope, route.pos_setting)
        )
    for endpoint in CATALOGUE.endpoints:
        paths[local_path(endpoint)] = {"post": _describe_endpoint(endpoint)}
    return assemble_document(
        title="SUNMI store gateway",
        description="The local API of the gateway in the store: cameras, and everything the cloud offers. "
        + GENERAL_RULES,
        server="This gateway.",
        tags={
            OWN_TAG: "The gateway's own calls.",
            "camera": "Every endpoint of a camera, passed on.",
            "cloud": "Every endpoint of the cloud, passed on.",
        },
        paths=paths,
        webhooks={"event": {"post": _EVENT_DELIVERY}},
        schemas=_build_all_schemas(documented),
    )


def _build_all_schemas(routes: Iterable[Route]) -> dict[str, Schema]:
    bodies = {body.__name__: body for route in routes for body in (route.body, route.form) if body is not None}
    schemas = {**build_schemas(bodies, "validation"), **build_schemas(MODELS, "serialization"), **build_event_schemas()}
    for endpoint in CATALOGUE.endpoints:
        schemas |= build_vendor_schemas(endpoint)
    return name_enumerations(schemas)


def local_path(endpoint: Endpoint) -> str:
    """Return the local path of a vendor endpoint."""
    if endpoint.side == "camera":
        return f"/api/v1/cameras/{{sn}}/openapi/{endpoint.path}"
    return f"/api/v1/cloud/{endpoint.path}"


def _describe_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    source = f"Source: the vendor's page {endpoint.source}; confidence {endpoint.confidence}."
    texts = [
        endpoint.note,
        _describe_scope(endpoint.scope, endpoint.pos_setting),
        _describe_availability(endpoint),
        source,
    ]
    parameters: list[Any] = [SN_PARAMETER] if endpoint.side == "camera" else []
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
        "responses": describe_responses(responses),
    }
    if parameters:
        operation["parameters"] = parameters
    add_general_responses(operation, needs_token=True, reads_body=True, side=endpoint.side)
    return operation


def _describe_call_body(endpoint: Endpoint) -> dict[str, Any]:
    kind = "multipart/form-data" if endpoint.takes_file else "application/json"
    is_required = "required" in request_schema(endpoint)
    return {"required": is_required, "content": {kind: {"schema": refer(request_name(endpoint))}}}


def _describe_scope(scope: str | None, pos_setting: str = "") -> str:
    text = describe_scope(scope, [one for one in SCOPES if one != scope and scope in GRANTS[one]])
    return f"{text} `server.{pos_setting}` lets pos suffice." if pos_setting else text


def _describe_availability(endpoint: Endpoint) -> str:
    texts = {
        "available": "",
        "developing": "The vendor calls this endpoint under development.",
        "unavailable": "The vendor calls this endpoint unavailable.",
        "listed": "The vendor lists this endpoint without describing it.",
    }
    return texts[endpoint.availability]
