"""One route of the local REST API as data: from it follow the guard, the registration and the OpenAPI document."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from aiohttp import web

from gateway.api.auth import Authenticator, Identity, require_scope
from gateway.api.bodies import Body
from gateway.api.problems import problem_response
from gateway.api.query import QueryParameter, read_query
from gateway.api.tickets import Tickets
from gateway.app import Gateway
from gateway.protocol import json_text
from gateway.protocol.endpoint import Scope
from gateway.runtime.logs.request import begin_request

REQUEST_ID_HEADER: Final = "X-Request-Id"
"""The header that names a request, in the request and in its answer."""

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

_log = logging.getLogger(__name__)


class RequestContext(NamedTuple):
    """One authenticated request: the gateway it speaks to, what its token allows, and the token's name.

    The name is empty on the Unix socket. `query` holds the values of the parameters that the route declares.
    """

    gateway: Gateway
    request: web.Request
    scope: Scope
    token: str = ""
    query: Mapping[str, Any] = _NOTHING

    @property
    def sn(self) -> str:
        """The serial number in the path."""
        return self.request.match_info["sn"]


Handler = Callable[[RequestContext], Awaitable[web.StreamResponse]]
WebHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """A method and path, what it does, the scope it needs (None: no token), its body and its answers by status."""

    method: str
    path: str
    summary: str
    handler: Handler
    scope: Scope | None
    body: type[Body] | None = None
    responses: Mapping[int, str] = field(default_factory=lambda: {200: "Done."})
    query: tuple[QueryParameter, ...] = ()
    accepts_ticket: bool = False
    """Whether a ticket in the query does instead of a token."""
    documented: bool = True
    """Whether the OpenAPI document shows it; the generic vendor routes are shown once per endpoint instead."""

    def bind(self, gateway: Gateway, authenticate: Authenticator) -> WebHandler:
        """Return the handler for aiohttp: guarded by the scope, its failures answered as problems."""
        needed, handler, declared = self.scope, self.handler, self.query
        if self.accepts_ticket:
            authenticate = _accept_tickets(gateway, authenticate)

        async def serve(request: web.Request) -> web.StreamResponse:
            try:
                if needed is None:
                    return await handler(RequestContext(gateway, request, "pos"))
                who = authenticate(request)
                require_scope(who.scope, needed)
                query = read_query(request.query, declared) if declared else _NOTHING
                return await handler(RequestContext(gateway, request, who.scope, who.name, query))
            except Exception as exc:
                return problem_response(request, exc)

        return trace_request(serve)


def trace_request(serve: WebHandler) -> WebHandler:
    """Return a handler that gives each request its id, which the answer and the log lines that it causes show."""

    async def handle(request: web.Request) -> web.StreamResponse:
        request_id = begin_request(request.headers.get(REQUEST_ID_HEADER))
        if not _log.isEnabledFor(logging.DEBUG):
            response = await serve(request)
        else:
            began = perf_counter()
            response = await serve(request)
            fields = {
                "method": request.method,
                "path": request.path,
                "status": response.status,
                "duration_ms": round(1000 * (perf_counter() - began), 1),
            }
            _log.debug("answered", extra={"fields": fields})
        if not response.prepared:
            response.headers[REQUEST_ID_HEADER] = request_id
        return response

    return handle


def _accept_tickets(gateway: Gateway, authenticate: Authenticator) -> Authenticator:
    def by_ticket_if_any(request: web.Request) -> Identity:
        if "ticket" not in request.query or "Authorization" in request.headers:
            return authenticate(request)
        tickets = Tickets(gateway.tokens, gateway.event_log.ticket_key)
        return Identity(*tickets.check(request.query["ticket"], gateway.event_log.uptime_s))

    return by_ticket_if_any


def json_response(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with a JSON document."""
    body = json_text.dumps(document).encode()
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")
