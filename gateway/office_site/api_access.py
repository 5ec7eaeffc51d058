"""The calls about tokens and readers, and the descriptions of the API and of the chain's messages."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from pydantic import Field

from firmware_tools.language import translate
from gateway.api.bodies import Body, read_body
from gateway.api.docs.reference import list_problems
from gateway.api.route import DeclaredResponse, json_response
from gateway.office.audit import record_change
from gateway.office.natural_order import natural_key
from gateway.office.readers import list_readers, revoke_reader
from gateway.office_site.access import OfficeScope, describe_access
from gateway.office_site.site import OfficeContext, OfficePage, OfficeRequest, OfficeRoute
from gateway.protocol import json_text

if TYPE_CHECKING:
    from gateway.api.docs.operations import OperationPage


class OfficeTokenBody(Body):
    """A token to make."""

    name: str = Field(min_length=1, max_length=64, description="What it is called.", examples=["erp"])
    scope: OfficeScope = Field(description="What its holder may do; each scope includes those before it.")


async def list_office_tokens(context: OfficeRequest) -> web.StreamResponse:
    """List tokens and sessions, not their secrets."""
    return json_response({"tokens": [describe_access(one) for one in context.view.access.all()]})


async def create_office_token(context: OfficeRequest) -> web.StreamResponse:
    """Make a token. Only this response shows it."""
    body = await read_body(context.request, OfficeTokenBody)
    token = await context.view.access.create_token(body.name, body.scope)
    await record_change(context.office, "token_create", body.name, scope=body.scope)
    return json_response({"name": body.name, "scope": body.scope, "token": token}, 201)


async def revoke_office_token(context: OfficeRequest) -> web.StreamResponse:
    """Revoke a token, or end a session, at once."""
    name = context.request.match_info["name"]
    await context.view.access.revoke(name)
    await record_change(context.office, "access_revoke", name)
    return web.Response(status=204)


async def list_chain_readers(context: OfficeRequest) -> web.StreamResponse:
    """List the systems that read what shops send."""
    found = sorted(await list_readers(context.office), key=lambda one: natural_key(one.name))
    return json_response({"readers": [one.describe() for one in found]})


async def revoke_chain_reader(context: OfficeRequest) -> web.StreamResponse:
    """End a reader at once."""
    await revoke_reader(context.office, context.request.match_info["name"])
    return web.Response(status=204)


async def show_openapi(context: OfficeRequest) -> web.StreamResponse:
    """Return the OpenAPI document."""
    return web.Response(body=_encode(context.site.load_document), content_type="application/json")


async def show_asyncapi(_: OfficeRequest) -> web.StreamResponse:
    """Return the AsyncAPI document."""
    from gateway.api.asyncapi import build_asyncapi_document

    return web.Response(body=_encode(build_asyncapi_document), content_type="application/json")


@cache
def _encode(load: Callable[[], dict[str, Any]]) -> bytes:
    """Return a document that does not change as JSON."""
    return json_text.dumps(load()).encode()


async def show_docs(context: OfficeContext) -> web.StreamResponse:
    """Show all calls of the API, and what its failures mean."""
    from gateway.api.docs.text_format import format_text

    def show(text: str) -> str:
        return format_text(text, lambda unit: translate(unit, context.language))

    return context.render(
        "docs.html", operations=_read_operations(context.site.load_document), problems=list_problems(), show=show
    )


@cache
def _read_operations(load: Callable[[], dict[str, Any]]) -> "list[OperationPage]":
    from gateway.api.docs.operations import OperationReader

    return [*OperationReader(load()).read_all()]


ROUTES: Final = (
    OfficeRoute("GET", "/api/v1/tokens", "List tokens and sessions", list_office_tokens, "admin",
                responses={200: DeclaredResponse("The tokens.", "AccessList")}),
    OfficeRoute("POST", "/api/v1/tokens", "Make a token", create_office_token, "admin", OfficeTokenBody,
                {201: DeclaredResponse("The token, shown once.", "NewToken")}),
    OfficeRoute("DELETE", "/api/v1/tokens/{name}", "Revoke a token", revoke_office_token, "admin",
                responses={204: DeclaredResponse("Revoked.")}),
    OfficeRoute("GET", "/api/v1/readers", "List who reads what shops send", list_chain_readers, "admin",
                responses={200: DeclaredResponse("The readers.", "ReaderList")}),
    OfficeRoute("DELETE", "/api/v1/readers/{name}", "Revoke a reader", revoke_chain_reader, "admin",
                responses={204: DeclaredResponse("Its connections have ended, and it cannot connect.")}),
    OfficeRoute("GET", "/openapi.json", "The OpenAPI document of the API", show_openapi, None,
                responses={200: DeclaredResponse("This document.", content_types=("application/json",))},
                etag_ignores=()),
    OfficeRoute("GET", "/asyncapi.json", "The AsyncAPI document of subjects and messages on the servers", show_asyncapi,
                None, responses={200: DeclaredResponse("The document.", content_types=("application/json",))},
                etag_ignores=()),
)  # fmt: skip

DOCS_PAGE: Final = OfficePage("GET", "docs", show_docs, None)
"""All calls of the API. `/docs` and `/docs/problems`, which problems name, show it, too."""
