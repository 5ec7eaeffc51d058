"""Pages of the configured origins may call the gateway from a browser (CORS), also from the internet into the LAN.

An origin is trusted with what its till's token allows and nothing more: the gateway knows no cookies, so that a page
without a token learns nothing, from whichever name or address it was loaded.
"""

from collections.abc import Collection
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from gateway.api.problems import problem_response
from gateway.api.route import trace_request
from gateway.errors import Forbidden

_REQUEST_HEADERS: Final = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Prefer, X-Request-Id"
_ANSWER_HEADERS: Final = "Location, Preference-Applied, Retry-After, X-Request-Id"
_REMEMBERED_S: Final = "7200"
"""How long a browser need not ask again; more is cut to this by some."""

_ASKS_FOR_LAN: Final = "Access-Control-Request-Private-Network"
_ALLOWS_LAN: Final = "Access-Control-Allow-Private-Network"


def allow_origins(app: web.Application, origins: Collection[str], methods: Collection[str], otherwise: Handler) -> None:
    """Have an application answer pages of these origins, with failures and streams too.

    Preflights carry no token and may be for any path. `otherwise` answers OPTIONS that are no preflights.
    """
    allowed = frozenset(origins)
    method_names = ", ".join(sorted(methods))

    async def mark(request: web.Request, response: web.StreamResponse) -> None:
        # At this moment, since a stream's headers leave before its handler returns.
        response.headers.add(hdrs.VARY, hdrs.ORIGIN)
        origin = request.headers.get(hdrs.ORIGIN)
        if origin in allowed:
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _ANSWER_HEADERS

    async def preflight(request: web.Request) -> web.StreamResponse:
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None or hdrs.ACCESS_CONTROL_REQUEST_METHOD not in request.headers:
            return await otherwise(request)
        if origin not in allowed:
            refusal = f"pages of {origin} may not call the gateway; server.cors_origins lists those that may"
            return problem_response(request, Forbidden(refusal))
        headers: dict[str, str] = {
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: method_names,
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: _REQUEST_HEADERS,
            hdrs.ACCESS_CONTROL_MAX_AGE: _REMEMBERED_S,
        }
        if request.headers.get(_ASKS_FOR_LAN) == "true":
            headers[_ALLOWS_LAN] = "true"
        return web.Response(status=204, headers=headers)

    app.on_response_prepare.append(mark)
    app.router.add_route(hdrs.METH_OPTIONS, "/{path:.*}", trace_request(preflight))
