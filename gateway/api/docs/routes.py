"""The documentation of the API: the OpenAPI document, and `/docs`, its pages with their style sheet and script."""

import asyncio
import re
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

from aiohttp import web
from pydantic import Field

from firmware_tools.language import Language, message
from gateway.api.compression import CompressedContent
from gateway.api.docs.reference import ApiReference
from gateway.api.openapi import build_document
from gateway.api.query import Query, read_query
from gateway.api.route import DeclaredResponse, RequestContext, Route
from gateway.api.route_table import list_routes
from gateway.errors import NotFound
from gateway.protocol import json_text

_HOST: Final = re.compile(r"[A-Za-z0-9._-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
_STATIC: Final = {"docs.css": "text/css", "docs.js": "text/javascript", "icon.svg": "image/svg+xml"}
_PAGE: Final = {200: DeclaredResponse("The page.", content_types=("text/html",))}
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Language, Host",
}


class DocsQuery(Query):
    """How a page of the reference is shown."""

    lang: Literal["en", "zh"] | None = Field(
        default=None, description="The language, instead of that which the browser prefers."
    )


class DocsSearchQuery(DocsQuery):
    """What the first page of the reference shows."""

    q: str | None = Field(
        default=None, max_length=100, description="Only calls, events and problems with all these words."
    )


async def openapi_json(_: RequestContext) -> web.StreamResponse:
    """Return the OpenAPI document."""
    # In a thread: the first time it takes long.
    return web.Response(body=await asyncio.to_thread(_encode_document), content_type="application/json")


async def docs_page(context: RequestContext) -> web.StreamResponse:
    """Return the first page of the reference."""
    query = read_query(context.request.query, DocsSearchQuery)
    return await _respond(context, "", query, query.q or "")


async def docs_section(context: RequestContext) -> web.StreamResponse:
    """Return another page of the reference."""
    query = read_query(context.request.query, DocsQuery)
    return await _respond(context, context.request.match_info["section"], query)


async def docs_file(context: RequestContext) -> web.StreamResponse:
    """Return the style sheet, the script or the icon of the pages."""
    name = context.request.match_info["file"]
    if name not in _STATIC:
        raise NotFound(message("the reference has no file {name!r}", name=name))
    return (await asyncio.to_thread(_read_file, name)).respond(context.request, _STATIC[name], _HEADERS)


@cache
def _read_file(name: str) -> CompressedContent:
    return CompressedContent.compress(files("gateway.api.docs").joinpath("static", name).read_bytes())


@cache
def _build_document() -> dict[str, Any]:
    return build_document(list_routes())


@cache
def _encode_document() -> bytes:
    return json_text.dumps(_build_document()).encode()


@cache
def _get_reference() -> ApiReference:
    return ApiReference(_build_document)


async def _respond(context: RequestContext, page: str, query: DocsQuery, search: str = "") -> web.Response:
    request, reference = context.request, _get_reference()
    if not reference.has_page(page):
        raise NotFound(message("the reference has no page {page!r}; /docs lists what there is", page=page))
    chosen = query.lang or ""
    language = Language(chosen) if chosen else Language.negotiate(request.headers.get("Accept-Language", ""))
    address = _find_address(request)
    # In a thread: the first time it takes long.
    content = await asyncio.to_thread(reference.render_compressed, page, language, address, lang=chosen, query=search)
    return content.respond(request, "text/html", {**_HEADERS, "Content-Language": language})


def _find_address(request: web.Request) -> str:
    """Return the address of the gateway as the caller named it."""
    host = request.headers.get("Host", "")
    return f"{request.scheme}://{host if _HOST.fullmatch(host) else 'sunmi-gateway.local'}"


ROUTES = (
    Route("GET", "/openapi.json", "The OpenAPI document of the API", openapi_json, None,
          responses={200: DeclaredResponse("This document.", "OpenApi")}, etag_ignores=()),
    Route("GET", "/docs", "The API reference as pages", docs_page, None,
          responses=_PAGE, query=DocsSearchQuery, etag_ignores=()),
    Route("GET", "/docs/{section}", "A page of the API reference: a group of calls, `event-types` or `problems`",
          docs_section, None, responses=_PAGE, query=DocsQuery, etag_ignores=()),
    Route("GET", "/docs/static/{file}", "A file of these pages", docs_file, None, etag_ignores=(), documented=False),
)  # fmt: skip
