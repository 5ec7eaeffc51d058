"""Pages of any site as data: sign-in, CSRF checks, languages and failures follow from it.

The console of a gateway is such a site, and that of a head office.
"""

import abc
import contextlib
import functools
import hashlib
import hmac
import ipaddress
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Literal, Protocol, TypeVar
from urllib.parse import quote

from aiohttp import web

from firmware_tools.language import Language, message
from gateway.access.scopes import require_scope
from gateway.api.body_budget import BODY_OWNER, BodyBudget
from gateway.api.changes import mark_unchanged
from gateway.api.form_upload import FormUpload
from gateway.api.problems import GATEWAY_FAILURES, FailureMapping, log_state_failure, problem_headers
from gateway.api.route import Screen, WebHandler, trace_request
from gateway.console.form import Form, read_form
from gateway.console.notices import Notices
from gateway.console.static_files import StaticFiles, load_static_files
from gateway.errors import Forbidden, NotFound, Problem
from gateway.runtime.failure_log import FailureLog

if TYPE_CHECKING:
    from gateway.console.rendering import Renderer

HOME: Final = "/console/"
"""The address of the first page; those of all others begin with it."""
SIGN_IN: Final = "/console/sign-in"
LANGUAGE_COOKIE: Final = "language"
LANGUAGE_TAGS: Final = {Language.ENGLISH: "en", Language.CHINESE: "zh-CN"}
"""How HTML names the languages of pages."""
CSRF_FIELD: Final = "csrf"

_SECURITY_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_UPLOAD: Final = web.RequestKey("upload", FormUpload)
_CSRF_HEADER: Final = "X-CSRF-Token"

_log = logging.getLogger(__name__)


class Session(Protocol):
    """The session of a person who has signed in."""

    @property
    def name(self) -> str:
        """The name of the session."""

    @property
    def granted(self) -> Collection[str]:
        """The scopes of the person."""


S = TypeVar("S", bound=Session)


@dataclass(frozen=True, kw_only=True)
class PageSite(abc.ABC, Generic[S]):
    """What all pages of a site share."""

    scopes: ClassVar[Sequence[str]]
    """Every scope that a session can have."""
    failures: ClassVar[FailureMapping] = GATEWAY_FAILURES
    """Which problems failures are told as."""

    cookie: str
    """The beginning of the name of the session's cookie: browsers send a cookie to all ports of a host."""
    notices: Notices = field(default_factory=Notices)
    """What the next page of a session says first."""

    template_folders: Sequence[Path] = ()
    """Where templates are looked for before those of the console."""

    @abc.abstractmethod
    async def open_session(self, code: str, address: str) -> str:
        """Exchange a pairing code that somebody at an address typed for a session; return its secret.

        Raises `Problem`.
        """

    @abc.abstractmethod
    async def end_session(self, name: str) -> None:
        """End a session."""

    @abc.abstractmethod
    def find_session(self, secret: str) -> S | None:
        """Return the session with this secret, which is used now; None if there is none."""

    @abc.abstractmethod
    async def record(self, request: web.Request, response: web.StreamResponse, *, who: str, action: str) -> None:
        """Record what somebody has changed by a page."""

    def name_cookie(self, *, secure: bool) -> str:
        """Return the name of the session's cookie. Over plain HTTP a browser replaces no cookie that came by HTTPS."""
        return f"{self.cookie}s" if secure else self.cookie

    @functools.cached_property
    def static_files(self) -> StaticFiles:
        """Styles and scripts, read and compressed when the first page is opened."""
        return load_static_files(*(folder.with_name("static") for folder in self.template_folders))

    @functools.cached_property
    def renderer(self) -> "Renderer":
        """Makes HTML of templates. It takes memory, and a site that nobody opens does without it."""
        from gateway.console.rendering import load_renderer

        return load_renderer(*self.template_folders)


SiteT = TypeVar("SiteT", bound=PageSite[Any])


@dataclass(frozen=True, slots=True)
class SiteContext(Generic[SiteT, S]):
    """A request for a page of a site."""

    site: SiteT
    """What all pages share."""
    request: web.Request
    """The request as received."""
    language: Language
    """The language of the person."""
    session: S | None
    """The session of the person; None on pages that need none."""
    csrf: str
    """What forms of this session carry; empty without a session."""

    @property
    def name(self) -> str:
        """The name of the session."""
        return "" if self.session is None else self.session.name

    async def read_form(self) -> Form:
        """Return the fields of the form that was sent. Raises `InvalidRequest`, `TooLarge` and `Overloaded`."""
        return await read_form(self.request, is_stranger=self.session is None)

    async def open_upload(self, max_bytes: int) -> FormUpload:
        """Return the form whose file is still on its way; `max_bytes` is the size of all of it.

        Raises `InvalidRequest`, `TooLarge` and `RequestTimeout`.
        """
        if _UPLOAD not in self.request:
            self.request[_UPLOAD] = await FormUpload.begin(self.request, max_bytes=max_bytes)
        return self.request[_UPLOAD]

    def render(self, template: str, *, status: int = 200, **values: Any) -> web.Response:
        """Return a page, or a part of one, made from a template."""
        shared = {
            "context": self,
            "language": self.language,
            "csrf": self.csrf,
            "path": self.request.path,
            "address": self.request.path_qs,
            "tags": LANGUAGE_TAGS,
            "secure": self.request.secure,
            "take_notices": lambda: self.site.notices.take(self.csrf),
        }
        html = self.site.renderer.render(template, self.language, shared | values)
        # With `?` for a lone surrogate, which JSON that a person or a camera sent may hold.
        body = html.encode("utf-8", "replace")
        return web.Response(body=body, status=status, content_type="text/html", charset="utf-8")

    def redirect(self, path: str, *, notice: str = "", failed: bool = False) -> web.Response:
        """Return a response that leads to another page, which says the notice first."""
        if failed:
            mark_unchanged(self.request)
        if notice:
            self.site.notices.add(self.csrf, notice, failed=failed)
        return web.Response(status=303, headers={"Location": path})


C = TypeVar("C", bound=SiteContext[Any, Any])


@dataclass(frozen=True, slots=True)
class SitePage(Generic[C]):
    """A method and a path of a site, and what handles them."""

    method: str
    """GET shows something, POST does something."""
    path: str
    """The path below `/console/`, with aiohttp's placeholders."""
    handler: Callable[[C], Awaitable[web.StreamResponse]]
    """What responds."""
    scope: str | None
    """The scope that the session needs; None for a page without a session."""
    does: str = ""
    """What a POST does, in words for the audit log; empty: its path says it."""
    audited: bool = True
    """Whether the audit log records each success of a POST."""
    max_upload_bytes: int = 0
    """The size of its form, which ends with a file that the handler receives; 0 for a form that memory holds."""
    shows: Literal["page", "part", "data"] = "page"
    """What a GET returns: a whole page, a part that scripts put into one, or something that is no HTML."""

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that it responds to: HEAD wherever GET returns HTML, not for streams and pictures."""
        return ("GET", "HEAD") if self.method == "GET" and self.shows != "data" else (self.method,)

    def bind(self, site: PageSite[Any], context_type: type[C], budget: BodyBudget, screen: Screen) -> WebHandler:
        """Return the handler for aiohttp. Failures become pages that say what to do."""
        failures = FailureLog(_log, f"{self.method} {HOME}{self.path} cannot be done")

        async def respond(request: web.Request) -> web.StreamResponse:
            try:
                screen(request)
                context = _make_context(site, context_type, request)
                if self.scope is not None:
                    if context.session is None:
                        return _ask_to_sign_in(request)
                    require_scope(context.session.granted, self.scope, site.scopes)
                if self.method == "POST":
                    check_origin(request)
                    if self.scope is not None:
                        await _check_csrf(context, self.max_upload_bytes)
                response = await self.handler(context)
                if self.method == "POST" and self.audited and self.scope is not None:
                    action = self.does or self.path
                    await site.record(request, response, who=context.name, action=action)
                failures.recovered()
                return response
            except Exception as exc:
                problem = site.failures.find(log_state_failure(exc, failures), request)
                return _render_problem(site, context_type, request, problem)
            finally:
                budget.give_back(request)

        async def handle(request: web.Request) -> web.StreamResponse:
            response = await respond(request)
            if not response.prepared:
                for name, value in _SECURITY_HEADERS.items():
                    response.headers.setdefault(name, value)
            return response

        return trace_request(handle)


def bind_unrouted(site: PageSite[Any], context_type: type[C], otherwise: WebHandler) -> WebHandler:
    """Return the handler of what no route takes: a page for whoever looks for one, else what `otherwise` responds."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = await otherwise(request)
        if request.method not in ("GET", "HEAD") or not request.path.startswith(HOME):
            return response
        if response.status == 405 and request.method == "GET":
            return web.Response(status=303, headers={"Location": await _find_page_above(request)})
        if response.status != 404:
            return response
        page = _render_problem(site, context_type, request, NotFound(message("there is no page at this address")))
        page.headers.update(_SECURITY_HEADERS)
        return page

    return handle


async def _find_page_above(request: web.Request) -> str:
    """Return the address of the page whose form goes to this address, which shows nothing itself.

    Browsers name the page of a form that was refused by the form's address: they ask for it when its language is
    changed, or when it is opened anew.
    """
    address = request.rel_url
    while (address := address.parent).path_safe.startswith(HOME):
        found = await request.app.router.resolve(request.clone(method="GET", rel_url=address))
        if found.route.resource is not request.match_info.route.resource:
            return str(address)
    return HOME


def compute_csrf(secret: str) -> str:
    """Return what the forms of a session carry: only its own pages know it."""
    return hmac.new(secret.encode("utf-8", "surrogatepass"), b"csrf", hashlib.sha256).hexdigest()


def _make_context(site: PageSite[Any], context_type: type[C], request: web.Request) -> C:
    secret = request.cookies.get(site.name_cookie(secure=request.secure), "")
    session = site.find_session(secret) if secret else None
    if session is not None:
        request[BODY_OWNER] = session.name
    csrf = compute_csrf(secret) if session is not None else ""
    return context_type(site, request, _find_language(request), session, csrf)


def _find_language(request: web.Request) -> Language:
    """Return the language that the person has chosen, else the one that the browser prefers."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    return next(
        (one for one in Language if one.value == chosen),
        Language.negotiate(request.headers.get("Accept-Language", "")),
    )


def check_origin(request: web.Request) -> None:
    """Refuse a form that a page of another address sent. Raises `Forbidden`."""
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != request.host:
        raise Forbidden(message("the form was sent by a page of another address; open the console and send it there"))


async def _check_csrf(context: SiteContext[Any, Any], max_upload_bytes: int) -> None:
    """Refuse a form that is of no page of this session. Raises `Forbidden`."""
    given = context.request.headers.get(_CSRF_HEADER)
    if not given:
        form = await context.open_upload(max_upload_bytes) if max_upload_bytes else await context.read_form()
        given = form.text(CSRF_FIELD)
    if not hmac.compare_digest(given.encode("utf-8", "replace"), context.csrf.encode()):
        raise Forbidden(message("the form is of an older session; reload the page and send it again"))


def is_private(request: web.Request) -> bool:
    """Tell whether nobody else can read what a request and its response hold: encrypted, or within this machine."""
    if request.secure:
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(request.remote or "").is_loopback
    return False


def is_fragment(request: web.Request) -> bool:
    """Tell whether a script of a page asks for a part of it."""
    return request.headers.get("HX-Request") == "true"


def _ask_to_sign_in(request: web.Request) -> web.Response:
    """Lead to the sign-in, and from there back."""
    shown = request.path_qs if request.method == "GET" and not is_fragment(request) else HOME
    location = f"{SIGN_IN}?next={quote(shown, safe='')}"
    if is_fragment(request):
        return web.Response(status=401, headers={"HX-Redirect": location})
    return web.Response(status=303, headers={"Location": location})


def _render_problem(site: PageSite[Any], context_type: type[C], request: web.Request, problem: Problem) -> web.Response:
    context = _make_context(site, context_type, request)
    is_part = is_fragment(request)
    # What passes by itself, as the proof of a new version, does not end the part that a page shows.
    asks_again = is_part and request.method == "GET" and problem.status == 503
    template = "problem_part.html" if is_part else "problem.html"
    response = context.render(template, status=problem.status, problem=problem, asks_again=asks_again)
    response.headers.update(problem_headers(problem))
    return response
