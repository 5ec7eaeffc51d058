"""The web server of a head office: HTTPS, with a certificate of the chain's authority or a given one."""

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from aiohttp import web
from aiohttp.typedefs import Handler

from firmware_tools.language import describe_error, message
from gateway.access.pairing import PairingCodes
from gateway.api.body_budget import BODY_BUDGET, BodyBudget
from gateway.api.body_reader import MAX_BODY_BYTES
from gateway.api.connections import ConnectionLimits, Connections
from gateway.api.route import WebHandler, screen_first, trace_request
from gateway.api.web_server import RUNNER_OPTIONS, cannot_listen, limit_connections, listen, respond_unrouted
from gateway.console.site_page import HOME, bind_unrouted
from gateway.console.static_files import PREFIX as STATIC
from gateway.errors import SettingsError
from gateway.office.chain_folder import ChainFolder
from gateway.office.join import PREFIX, JoinService, make_server_tls
from gateway.office.office import Office
from gateway.office_site.access import OfficeScope
from gateway.office_site.api_access import DOCS_PAGE
from gateway.office_site.chain_view import ChainView
from gateway.office_site.file_intake import FileIntake
from gateway.office_site.pages import PAGES
from gateway.office_site.route_list import ROUTES, load_document
from gateway.office_site.site import OfficeContext, OfficeSite
from gateway.runtime.supervisor import Supervisor

_JOIN_LIMITS: Final = ConnectionLimits(from_network=128, per_address=32, from_loopback=64)
"""The join service has connections of its own: whoever takes all of them keeps nobody from the pages."""


class OwnCertificate(NamedTuple):
    """A certificate that the head office was given, instead of one of the chain's authority."""

    certificate: Path
    """The certificate with its chain, in PEM."""
    private_key: Path
    """Its key, in PEM."""


@contextlib.asynccontextmanager
async def serve_office(
    office: Office,
    host: str,
    port: int,
    *,
    names: Sequence[str] = (),
    own_certificate: OwnCertificate | None = None,
) -> AsyncIterator[OfficeSite]:
    """Serve pages and API until the end of the block.

    `names` are those by which people reach it, beside `host`. Raises `HeadOfficeUnavailable`, `SettingsError` for a
    certificate, also for an own one at the address where shops join, and `StateError` for an address that cannot be
    listened on.
    """
    join = office.folder.plan.join_address
    is_joined_here = (join.listen_host, join.port) == (host, port)
    if is_joined_here and own_certificate is not None:
        raise SettingsError(
            message(
                "shops join at {address}, where they trust the chain's authority alone: with an own certificate take "
                "another port for the pages",
                address=join,
            )
        )
    certified = (host, *names, *((join.host,) if is_joined_here else ()))
    supervisor = Supervisor()
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(supervisor.close)
        context = await asyncio.to_thread(_make_tls_context, office.folder, certified, own_certificate)
        view = await stack.enter_async_context(ChainView.open(office, supervisor))
        connections = await stack.enter_async_context(limit_connections(supervisor, None))
        site = OfficeSite(
            cookie=_name_cookie(office.folder),
            office=office,
            view=view,
            files=FileIntake(office.folder.path),
            pairing=PairingCodes[OfficeScope](),
            supervisor=supervisor,
            urls=[],
            load_document=load_document,
        )
        pages = make_application(site, connections)
        port = await _serve(stack, pages, connections, host, port, context)
        site.urls.extend(f"https://{_write_host(name)}:{port}" for name in _list_reachable(host, names))
        if not is_joined_here:
            only_join = web.Application()
            joining = limit_connections(supervisor, _JOIN_LIMITS, "connection limits of the join service")
            admitted = await stack.enter_async_context(joining)
            _add_join(only_join, site, admitted)
            join_context = await asyncio.to_thread(make_server_tls, office.folder.authority, join.host)
            await _serve(stack, only_join, admitted, join.listen_host, join.port, join_context)
        yield site


async def _serve(
    stack: contextlib.AsyncExitStack,
    app: web.Application,
    connections: Connections,
    host: str,
    port: int,
    context: ssl.SSLContext,
) -> int:
    """Serve an application until the stack is closed, and return the port. Raises `StateError`."""
    runner = web.AppRunner(app, **RUNNER_OPTIONS)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        listeners = await connections.listen(host, port)
    except OSError as exc:
        raise cannot_listen(f"{host}:{port}", exc) from exc
    for listener in listeners:
        await listen(web.SockSite(runner, listener, ssl_context=context), f"{host}:{port}")
    return int(listeners[-1].getsockname()[1])


def _add_join(app: web.Application, site: OfficeSite, connections: Connections) -> None:
    """Add the service with which shops join."""

    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        connections.request_began(request)
        return await handler(request)

    join = JoinService(site.office).make_app()
    join.middlewares.append(note)
    app.add_subapp(PREFIX, join)


def make_application(site: OfficeSite, connections: Connections) -> web.Application:
    """Return the web application of a head office."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app[BODY_BUDGET] = budget = BodyBudget()
    screen = connections.request_began
    app.on_shutdown.append(lambda _: site.view.close_streams())
    for route in ROUTES:
        handler = route.bind(site, budget, screen)
        for method in route.methods:
            app.router.add_route(method, route.path, handler)
    for page in PAGES:
        handler = page.bind(site, OfficeContext, budget, screen)
        for method in page.methods:
            app.router.add_route(method, f"{HOME}{page.path}", handler)
    for path in ("/docs", "/docs/problems"):
        app.router.add_get(path, DOCS_PAGE.bind(site, OfficeContext, budget, screen))
    _add_join(app, site, connections)
    app.router.add_get(f"{STATIC}{{name}}", screen_first(screen, _serve_static(site)))
    for path in ("/", HOME.rstrip("/")):
        app.router.add_get(path, screen_first(screen, _lead_home))
    unrouted = bind_unrouted(site, OfficeContext, respond_unrouted)
    app.router.add_route("*", "/{path:.*}", trace_request(screen_first(screen, unrouted)))
    return app


def _serve_static(site: OfficeSite) -> WebHandler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return site.static_files.respond(request)

    return handle


async def _lead_home(_: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": HOME})


def _name_cookie(folder: ChainFolder) -> str:
    return f"office_{hashlib.sha256(folder.account.public.encode()).hexdigest()[:12]}"


def _list_reachable(host: str, names: Sequence[str]) -> Sequence[str]:
    is_any = host in ("0.0.0.0", "::")  # noqa: S104  compared, not bound
    return list(dict.fromkeys([*names, *(() if is_any else (host,))])) or ["localhost"]


def _write_host(name: str) -> str:
    return f"[{name}]" if ":" in name else name


def _make_tls_context(
    folder: ChainFolder, names: Sequence[str], own_certificate: OwnCertificate | None
) -> ssl.SSLContext:
    """Return the TLS context of the server. Without an own certificate the chain's authority issues one now."""
    if own_certificate is None:
        return make_server_tls(folder.authority, *_list_certified(names))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # With no password given, OpenSSL would ask on the terminal for that of an encrypted key.
        context.load_cert_chain(own_certificate.certificate, own_certificate.private_key, password="")
    except (OSError, ssl.SSLError) as exc:
        raise SettingsError(
            message(
                "the certificate {certificate} with the key {key} cannot be used: {reason}",
                certificate=own_certificate.certificate,
                key=own_certificate.private_key,
                reason=describe_error(exc),
            )
        ) from exc
    return context


def _list_certified(names: Sequence[str]) -> Sequence[str]:
    given = [name for name in names if name not in ("0.0.0.0", "::")]  # noqa: S104  compared, not bound
    return list(dict.fromkeys([*given, "localhost", "127.0.0.1"]))
