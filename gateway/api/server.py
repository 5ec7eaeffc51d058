"""The servers of the local REST API: plain HTTP, HTTPS, and the Unix socket for commands."""

import contextlib
import functools
import secrets
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Final

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler

from firmware_tools.language import message
from gateway.api.auth import Authenticator, authenticate_socket, key_authenticator, token_authenticator
from gateway.api.body_budget import BODY_BUDGET, BodyBudget
from gateway.api.body_reader import MAX_BODY_BYTES
from gateway.api.connections import ConnectionLimits, Connections
from gateway.api.cors import allow_origins
from gateway.api.hosts import AcceptedHosts
from gateway.api.lazy_routes import LazyRoutes
from gateway.api.local_socket import HAS_UNIX_SOCKETS, socket_session
from gateway.api.problems import problem_response
from gateway.api.route import METHODS, Route, Screen, WebHandler, screen_first, trace_request
from gateway.api.route_table import EAGER_ROUTES, LAZY_MODULES, load_routes
from gateway.api.stream import STREAM, EventStream
from gateway.api.tls import serve_certificate
from gateway.api.web_server import RUNNER_OPTIONS, cannot_listen, limit_connections, listen, respond_unrouted
from gateway.app import Gateway
from gateway.errors import Forbidden
from gateway.runtime.readiness import Readiness
from gateway.settings import ServerSettings

WrapUnrouted = Callable[[WebHandler], WebHandler]
"""Makes pages of some responses to what no route takes."""
AddPages = Callable[[web.Application, Gateway, BodyBudget, Screen], WrapUnrouted]
"""Adds the pages of the console to an application; returns what its addresses without a page respond."""

_PLAIN_HTTP_PATHS: Final = ("/healthz", "/authority", "/hooks/cameras/")
"""The beginnings of paths that plain HTTP serves even where `server.allow_plain_http` is off."""


@dataclass(frozen=True, slots=True)
class NetworkRules:
    """What holds for requests from the network, and not for those of commands on the local socket."""

    settings: ServerSettings
    """Where it is served, and for which pages."""
    connections: Connections
    """The connections on which the requests arrive."""
    hosts: AcceptedHosts
    """The hosts that a request may name."""
    readiness: Readiness
    """Whether callers are served."""

    def screen(self, request: web.Request) -> None:
        """Look at a request before its caller is authenticated. Raises `Misdirected` and `NotServingYet`."""
        self.connections.request_began(request)
        self.hosts.check(request)
        self.readiness.check()

    def choose_screen(self, route: Route) -> Screen:
        """Return what looks at the requests of a route."""
        if route.any_host:
            return self.connections.request_began
        return self._screen_held if route.while_held else self.screen

    def _screen_held(self, request: web.Request) -> None:
        self.connections.request_began(request)
        self.hosts.check(request)


def make_application(
    gateway: Gateway,
    authenticate: Authenticator,
    stream: EventStream,
    budget: BodyBudget,
    rules: NetworkRules | None = None,
    add_pages: AddPages | None = None,
) -> web.Application:
    """Return the web application of a gateway; `rules` are None for the local socket, which has no pages."""
    # Only where it is needed: a middleware adds a tenth to the cost of accepting an order.
    middlewares = () if rules is None or rules.settings.allow_plain_http else (_require_https,)
    app = web.Application(middlewares=middlewares, client_max_size=MAX_BODY_BYTES)
    app[BODY_BUDGET] = budget
    app[STREAM] = stream

    def add_routes(routes: Iterable[Route], router: web.UrlDispatcher) -> None:
        for route in routes:
            if rules is not None:
                screen: Screen | None = rules.choose_screen(route)
            else:
                screen = None if route.while_held or route.any_host else lambda _: gateway.readiness.check()
            handler = route.bind(gateway, authenticate, budget, screen)
            for method in route.methods:
                router.add_route(method, route.path, handler)

    def add_module(module: str, router: web.UrlDispatcher) -> None:
        add_routes(load_routes(module), router)

    add_routes(EAGER_ROUTES, app.router)
    for module, prefixes in LAZY_MODULES.items():
        for prefix in prefixes:
            app.router.register_resource(LazyRoutes(prefix, functools.partial(add_module, module)))
    if rules is not None and (path := gateway.settings.products.vendor_path):

        def add_saas(router: web.UrlDispatcher) -> None:
            from gateway.api.saas import make_route

            add_routes([make_route(gateway.settings.products)], router)

        app.router.register_resource(LazyRoutes(path, add_saas))
    unrouted: WebHandler = respond_unrouted
    if rules is not None:
        if add_pages is not None:
            unrouted = add_pages(app, gateway, budget, rules.screen)(unrouted)
        unrouted = screen_first(rules.screen, unrouted)
    unrouted = trace_request(unrouted)
    if rules is not None and rules.settings.cors_origins:
        allow_origins(app, rules.settings.cors_origins, METHODS, otherwise=unrouted)
    app.router.add_route("*", "/{path:.*}", unrouted)
    app.on_shutdown.append(lambda _: stream.close())
    app.on_shutdown.append(lambda _: gateway.end_viewers())
    return app


@contextlib.asynccontextmanager
async def serve(
    gateway: Gateway, limits: ConnectionLimits | None = None, *, add_pages: AddPages | None = None
) -> AsyncIterator[list[str]]:
    """Serve tills at the addresses of the settings, and commands on the Unix socket if the system has those.

    `limits` are those of connections from the network, if not the usual ones; `add_pages` adds the console. Yields the
    base URLs. Raises `StateError` naming the address that cannot be listened on, and `SettingsError`.
    """
    async with contextlib.AsyncExitStack() as stack:
        stream = await stack.enter_async_context(_open_stream(gateway))
        budget = BodyBudget()
        if HAS_UNIX_SOCKETS:
            await stack.enter_async_context(_serve_commands(gateway, stream, budget))
        settings = gateway.settings.server
        connections = await stack.enter_async_context(limit_connections(gateway.supervisor, limits))
        hosts = AcceptedHosts(gateway.settings, gateway.advertisement.host)
        rules = NetworkRules(settings, connections, hosts, gateway.readiness)
        app = make_application(gateway, token_authenticator(gateway.tokens), stream, budget, rules, add_pages)
        runner = web.AppRunner(app, **RUNNER_OPTIONS)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        context = await stack.enter_async_context(serve_certificate(gateway)) if settings.https_port else None
        urls = await _listen_on_network(runner, connections, settings, context)
        gateway.directory.save_address(urls[0])
        yield urls


@contextlib.asynccontextmanager
async def serve_commands(gateway: Gateway) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve the commands of this machine's user, with every right, and yield a client session.

    The file permissions of the Unix socket keep others out. A system without Unix sockets serves on loopback and
    demands a key that only this process knows.
    """
    async with _open_stream(gateway) as stream, _serve_commands(gateway, stream, BodyBudget()) as session:
        yield session


@contextlib.asynccontextmanager
async def _open_stream(gateway: Gateway) -> AsyncIterator[EventStream]:
    stream = EventStream(gateway.event_log, gateway.supervisor)
    gateway.tokens.on_revoked.append(stream.end)
    try:
        yield stream
    finally:
        gateway.tokens.on_revoked.remove(stream.end)
        await stream.close()


@contextlib.asynccontextmanager
async def _serve_commands(
    gateway: Gateway, stream: EventStream, budget: BodyBudget
) -> AsyncIterator[aiohttp.ClientSession]:
    key = secrets.token_urlsafe(32)
    authenticate = authenticate_socket if HAS_UNIX_SOCKETS else key_authenticator(key)
    app = make_application(gateway, authenticate, stream, budget)
    runner = web.AppRunner(app, **RUNNER_OPTIONS)
    await runner.setup()
    try:
        if HAS_UNIX_SOCKETS:
            await listen(
                web.UnixSite(runner, str(gateway.socket)), message("the socket {socket}", socket=gateway.socket)
            )
            gateway.socket.chmod(0o600)
            session = socket_session(gateway.socket)
        else:
            await listen(web.TCPSite(runner, "127.0.0.1", 0), "loopback")
            session = aiohttp.ClientSession(
                f"http://127.0.0.1:{runner.addresses[0][1]}", headers={"Authorization": f"Bearer {key}"}
            )
        async with session:
            yield session
    finally:
        await runner.cleanup()
        gateway.socket.unlink(missing_ok=True)


async def _listen_on_network(
    runner: web.AppRunner, connections: Connections, settings: ServerSettings, context: ssl.SSLContext | None
) -> list[str]:
    urls: list[str] = []
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104  compared, not bound
    host = f"[{host}]" if ":" in host else host
    ports: list[tuple[str, int, ssl.SSLContext | None]] = [("port", settings.port, None)]
    if context is not None:
        ports.insert(0, ("https_port", settings.https_port, context))
    for key, port, encryption in ports:
        address = f"{settings.host}:{port} (server.{key})"
        try:
            listeners = await connections.listen(settings.host, port)
        except OSError as exc:
            raise cannot_listen(address, exc) from exc
        for listener in listeners:
            await listen(web.SockSite(runner, listener, ssl_context=encryption), address)
        scheme = "http" if encryption is None else "https"
        urls.insert(0, f"{scheme}://{host}:{listeners[-1].getsockname()[1]}/")
    return urls


@web.middleware
async def _require_https(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.secure or request.path.startswith(_PLAIN_HTTP_PATHS):
        return await handler(request)
    return await _refuse_plain_http(request)


@trace_request
async def _refuse_plain_http(request: web.Request) -> web.StreamResponse:
    forbidden = Forbidden(message("plain HTTP is switched off (server.allow_plain_http); use the HTTPS port"))
    return problem_response(request, forbidden)
