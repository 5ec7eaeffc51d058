"""The routes of the local REST API as data. Authentication, registration and the OpenAPI document follow from it."""

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, NamedTuple, Protocol, TypeVar, get_args

from aiohttp import web

from gateway.access.scopes import SCOPES, require_scope
from gateway.api.auth import Authenticator, Identity
from gateway.api.bodies import Body
from gateway.api.body_budget import BodyBudget
from gateway.api.changes import record_change
from gateway.api.entity_tag import add_entity_tag
from gateway.api.problems import GATEWAY_FAILURES, FailureMapping, log_state_failure, problem_response
from gateway.api.query import NoQuery, Query, read_query
from gateway.api.response_language import RESPONSE_LANGUAGE, begin_response, describe_language
from gateway.api.tickets import Tickets
from gateway.api.validation import RequestModel
from gateway.audit.change import Via
from gateway.errors import Problem
from gateway.protocol import json_text
from gateway.protocol.endpoint import Scope
from gateway.runtime.changes_under_way import ChangesUnderWay
from gateway.runtime.failure_log import FailureLog
from gateway.runtime.logs.request import begin_request

if TYPE_CHECKING:  # the head office serves routes, too, and has no gateway
    from gateway.app import Gateway

REQUEST_ID_HEADER: Final = "X-Request-Id"
"""The header that names a request, in the request and in its response."""

Method = Literal["DELETE", "GET", "PATCH", "POST", "PUT"]
METHODS: Final[tuple[str, ...]] = (*get_args(Method), "HEAD")
"""The methods of all routes: HEAD is wherever GET is."""

_NOBODY: Final = Identity("", frozenset())
_log = logging.getLogger(__name__)


class RequestContext(NamedTuple):
    """An authenticated request."""

    gateway: "Gateway"
    """The gateway that handles it."""
    request: web.Request
    """The request as received."""
    scopes: frozenset[Scope]
    """What the caller may do."""
    token: str = ""
    """The name of the caller's token; empty on the Unix socket."""

    @property
    def sn(self) -> str:
        """The serial number in the path, in the spelling of the camera that has it."""
        return self.gateway.registry.find_spelling(self.request.match_info["sn"])


class CallerContext(Protocol):
    """A request whose caller is known."""

    @property
    def scopes(self) -> Collection[str]:
        """What the caller may do."""


C = TypeVar("C", bound=CallerContext)
WebHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Screen = Callable[[web.Request], None]
"""Looks at a request before its caller is authenticated. May raise a `Problem`."""


class DeclaredResponse(NamedTuple):
    """What a status of a call means, and what its responses hold, for the OpenAPI document."""

    meaning: str
    """What it means, in a sentence."""
    model: str = ""
    """The schema of its JSON body: a name in `gateway.api.models.MODELS`; empty for another body, or none."""
    content_types: tuple[str, ...] = ()
    """The types of bodies that are no JSON."""
    headers: tuple[str, ...] = ()
    """Its headers beside those of every response: names in `gateway.api.general_responses.HEADERS`."""
    optional_headers: tuple[str, ...] = ()
    """Those that only some responses of the status have."""


@dataclass(frozen=True, slots=True)
class DeclaredRoute(Generic[C]):
    """A method and a path of an API, and what handles them."""

    method: Method
    """The HTTP method."""
    path: str
    """The path, with aiohttp's placeholders."""
    summary: str
    """What it does, in one line of the reference."""
    handler: Callable[[C], Awaitable[web.StreamResponse]]
    """What responds to a request. Its name is the operation id of the OpenAPI document, which clients rely on."""
    scope: str | None
    """The scope that the caller needs; None if it needs no token."""
    body: type[Body] | None = None
    """The JSON body that it takes."""
    responses: Mapping[int, DeclaredResponse] = field(default_factory=dict)
    """The successful responses by status."""
    query: type[Query] | None = None
    """The query parameters that it takes; the handler reads them."""
    headers: tuple[Mapping[str, Any], ...] = ()
    """The header parameters that it takes, as the OpenAPI document has them; the handler reads them."""
    form: type[RequestModel] | None = None
    """The form that it takes instead of JSON; the handler reads it."""
    any_query: bool = False
    """Whether any query is taken: that of a callback is the vendor's. Elsewhere unknown parameters are refused."""
    etag_ignores: Collection[str] | None = None
    """Members of the response that its ETag leaves out, as ages and times of last use; None if it has no ETag."""
    audited: bool = True
    """Whether each success of a method other than GET is recorded; else only where the handler says what it changes."""
    file_types: tuple[str, ...] = ()
    """The content types of files that it takes instead of JSON; the handler reads them."""
    documented: bool = True
    """Whether the OpenAPI document lists it. It lists the vendor's endpoints one by one instead of their routes."""

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that it responds to: HEAD wherever GET is."""
        return (self.method, "HEAD") if self.method == "GET" else (self.method,)

    def bind_to(
        self,
        make_context: Callable[[web.Request], C],
        record: Callable[[C, web.StreamResponse], Awaitable[None]],
        budget: BodyBudget,
        screen: Screen | None,
        *,
        needed: str | None,
        scopes: Sequence[str],
        changes: ChangesUnderWay | None = None,
        mapping: FailureMapping = GATEWAY_FAILURES,
    ) -> WebHandler:
        """Return the handler for aiohttp, which responds to failures with the problems that `mapping` says.

        `make_context` authenticates the caller, `record` records a change, `needed` is the scope that the caller
        needs, among all `scopes` that there are. `changes` counts the calls that are no mere reading.
        """
        takes_query = self.any_query or self.query is not None  # then the handler reads it
        failures = FailureLog(_log, f"{self.method} {self.path} cannot be done")
        under_way = ChangesUnderWay() if changes is None or self.method == "GET" else changes

        # One coroutine instead of several that wait for each other: a till's order passes through here.
        async def handle(request: web.Request) -> web.StreamResponse:
            under_way.count += 1
            try:
                if screen is not None:
                    screen(request)
                context = make_context(request)
                if needed is not None:
                    require_scope(context.scopes, needed, scopes)
                if not takes_query and request.query_string:
                    read_query(request.query, NoQuery)
                response = await self.handler(context)
                if self.etag_ignores is not None:
                    response = add_entity_tag(request, response, self.etag_ignores)
                if needed is not None and self.method != "GET":
                    await record(context, response)
                failures.recovered()
                return response
            except Exception as exc:
                failure = log_state_failure(exc, failures)
                return problem_response(request, failure, mapping)
            finally:
                under_way.count -= 1
                budget.give_back(request)

        return trace_request(handle)


@dataclass(frozen=True, slots=True)
class Route(DeclaredRoute[RequestContext]):
    """A method and a path of the gateway's API, and what handles them."""

    accepts_ticket: bool = False
    """Whether the query may hold a ticket instead of a token."""
    pos_setting: str = ""
    """The setting in `[server]` that lets the scope `pos` suffice; empty if there is none."""
    while_held: bool = False
    """Whether it responds while the gateway does not serve yet: it tells how the gateway is."""
    any_host: bool = False
    """Whether it responds whatever host a plain HTTP request names."""

    def bind(
        self, gateway: "Gateway", authenticate: Authenticator, budget: BodyBudget, screen: Screen | None
    ) -> WebHandler:
        """Return the handler for aiohttp. It authenticates the caller, and responds to failures with problems."""
        needed = "pos" if pos_suffices(self.pos_setting, gateway) else self.scope
        if self.accepts_ticket:
            authenticate = _accept_tickets(gateway, authenticate)

        def make_context(request: web.Request) -> RequestContext:
            caller = _NOBODY if needed is None else authenticate(request)
            return RequestContext(gateway, request, caller.scopes, caller.name)

        async def record(context: RequestContext, response: web.StreamResponse) -> None:
            via: Via = "api" if context.token else "local"
            named = not self.audited
            await record_change(
                gateway, context.request, response, who=context.token, via=via, action=self.summary, only_named=named
            )

        changes = gateway.changes_under_way
        return self.bind_to(make_context, record, budget, screen, needed=needed, scopes=SCOPES, changes=changes)


def pos_suffices(pos_setting: str, gateway: "Gateway") -> bool:
    """Tell whether a setting lets the scope `pos` suffice."""
    return bool(pos_setting) and getattr(gateway.settings.server, pos_setting) is True


def trace_request(handler: WebHandler) -> WebHandler:
    """Decorate a handler: its response and the log lines of a request get the request's id, its texts the language."""

    async def handle(request: web.Request) -> web.StreamResponse:
        request_id = begin_request(request.headers.get(REQUEST_ID_HEADER))
        begin_response(request)
        if not _log.isEnabledFor(logging.DEBUG):
            response = await handler(request)
        else:
            began = perf_counter()
            response = await handler(request)
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


def screen_first(screen: Screen, handler: WebHandler) -> WebHandler:
    """Decorate a handler that is no route: `screen` looks at a request first, and problems become responses."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            screen(request)
            return await handler(request)
        except Problem as exc:
            return problem_response(request, exc)

    return handle


def _accept_tickets(gateway: "Gateway", authenticate: Authenticator) -> Authenticator:
    def authenticate_with_ticket(request: web.Request) -> Identity:
        if "ticket" not in request.query or "Authorization" in request.headers:
            return authenticate(request)
        tickets = Tickets(gateway.tokens, gateway.event_log.ticket_key)
        return Identity(*tickets.check(request.query["ticket"], gateway.event_log.uptime_s))

    return authenticate_with_ticket


def json_response(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a response with a JSON document; `?` stands for a lone surrogate, which stored JSON may hold."""
    body = json_text.dumps(json_text.make_encodable(document), language=RESPONSE_LANGUAGE.get()).encode()
    headers = {**describe_language(), **(headers or {})}
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")
