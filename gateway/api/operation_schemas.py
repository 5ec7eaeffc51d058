"""The parts of an OpenAPI 3.1 document that follow from routes, whichever API they belong to."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from gateway import __version__
from gateway.api.general_responses import (
    DEFAULT_HEADERS,
    add_general_responses,
    describe_optional_headers,
    general_components,
    refer_to_headers,
)
from gateway.api.model_schemas import REFERENCE_PREFIX, Schema, refer
from gateway.api.query import describe_query
from gateway.api.route import REQUEST_ID_HEADER, DeclaredResponse, DeclaredRoute
from gateway.api.validation import RequestModel

OWN_TAG: Final = "gateway"
"""The tag of routes, unless they are of another API."""
SN_PARAMETER: Final = {
    "name": "sn",
    "in": "path",
    "required": True,
    "description": "The camera's serial number.",
    "schema": {"type": "string"},
}


def assemble_document(
    *,
    title: str,
    description: str,
    server: str,
    tags: Mapping[str, str],
    paths: Mapping[str, Any],
    webhooks: Mapping[str, Any],
    schemas: Mapping[str, Schema],
) -> dict[str, Any]:
    """Return a whole document; of the schemas it has those to which something refers."""
    general = general_components()
    default = DeclaredResponse("A failure.", "Problem", headers=DEFAULT_HEADERS)
    responses = general["responses"] | {"Problem": describe_response(default)}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": __version__, "description": description},
        "servers": [{"url": "/", "description": server}],
        "tags": [{"name": name, "description": meaning} for name, meaning in tags.items()],
        "paths": paths,
        "webhooks": webhooks,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": _select_used(schemas, [paths, webhooks, responses]),
            "responses": responses,
            "headers": general["headers"],
        },
        "security": [{"token": []}],
    }


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


def describe_route(route: DeclaredRoute[Any], access: str, tag: str = OWN_TAG) -> dict[str, Any]:
    """Return the operation of a route; `access` says which token it needs."""
    operation: dict[str, Any] = {
        "tags": [tag],
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "description": access,
        "responses": describe_responses(route.responses),
    }
    names = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    parameters = [
        SN_PARAMETER if name == "sn" else {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in names
    ]
    if route.query is not None:
        parameters += describe_query(route.query)
    parameters += [dict(one) for one in route.headers]
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


def describe_responses(responses: Mapping[int, DeclaredResponse]) -> dict[str, Any]:
    """Return the responses of an operation by status."""
    described = {str(status): describe_response(declared) for status, declared in sorted(responses.items())}
    return described | {"default": {"$ref": "#/components/responses/Problem"}}


def describe_response(declared: DeclaredResponse) -> dict[str, Any]:
    """Return one response of an operation."""
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


def describe_scope(scope: str | None, including: Collection[str] = ()) -> str:
    """Say which token a call needs; `including` are the other scopes that include its own."""
    if scope is None:
        return "No token is needed."
    included = f", which {' and '.join(including)} include{'s' * (len(including) == 1)}" if including else ""
    return f"Needs a token of scope {scope}{included}."
