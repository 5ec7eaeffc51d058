"""Cross-origin requests (CORS): pages of the configured origins may call the gateway from a browser.

The page may come from the internet and call into the LAN. An origin gets no rights of its own: the REST API takes
no cookies, so a page can do what the token allows that it sends, and without a token nothing.
"""

from collections.abc import Collection
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from firmware_tools.language import message
from gateway.api.problems import problem_response
from gateway.api.route import trace_request
from gateway.errors import Forbidden

_REQUEST_HEADERS: Final = (
    "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Prefer, X-Request-Id"
)
_EXPOSED_HEADERS: Final = "Allow, ETag, Idempotent-Replayed, Location, Preference-Applied, Retry-After, X-Request-Id"
_MAX_AGE_S: Final = "7200"
"""How long a browser may remember a preflight. Some browsers cut more than this."""

# Private Network Access, a draft that Chromium follows.
_REQUEST_PRIVATE_NETWORK: Final = "Access-Control-Request-Private-Network"
_ALLOW_PRIVATE_NETWORK: Final = "Access-Control-Allow-Private-Network"


def allow_origins(app: web.Application, origins: Collection[str], methods: Collection[str], otherwise: Handler) -> None:
    """Let pages of these origins call an application, and read its failures and streams too.

    Preflights carry no token and may be for any path. `otherwise` handles OPTIONS requests that are no preflights.
    """
    allowed = frozenset(origins)
    method_names = ", ".join(sorted(methods))

    async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
        # In `on_response_prepare`, since a stream's headers are sent before its handler returns.
        response.headers.add(hdrs.VARY, hdrs.ORIGIN)
        origin = request.headers.get(hdrs.ORIGIN)
        if origin in allowed:
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _EXPOSED_HEADERS

    async def handle_preflight(request: web.Request) -> web.StreamResponse:
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None or hdrs.ACCESS_CONTROL_REQUEST_METHOD not in request.headers:
            return await otherwise(request)
        if origin not in allowed:
            forbidden = Forbidden(
                message(
                    "pages of {origin} may not call the gateway; add the origin to server.cors_origins", origin=origin
                )
            )
            return problem_response(request, forbidden)
        headers: dict[str, str] = {
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: method_names,
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: _REQUEST_HEADERS,
            hdrs.ACCESS_CONTROL_MAX_AGE: _MAX_AGE_S,
        }
        if request.headers.get(_REQUEST_PRIVATE_NETWORK) == "true":
            headers[_ALLOW_PRIVATE_NETWORK] = "true"
        return web.Response(status=204, headers=headers)

    app.on_response_prepare.append(add_headers)
    app.router.add_route(hdrs.METH_OPTIONS, "/{path:.*}", trace_request(handle_preflight))
