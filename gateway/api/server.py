"""The servers of the local REST API: plain HTTP, HTTPS, and the Unix socket for commands."""

import contextlib
import os
import secrets
import ssl
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.api import (
    authority,
    cameras,
    doctor,
    events,
    flow,
    hooks,
    metrics,
    openapi,
    outbox,
    subscriptions,
    system,
    tokens,
    vendor,
    webhooks,
)
from gateway.api.auth import Authenticator, authenticate_socket, key_authenticator, token_authenticator
from gateway.api.bodies import MAX_BODY_BYTES
from gateway.api.cors import allow_origins
from gateway.api.local_socket import HAS_UNIX_SOCKETS, socket_session
from gateway.api.problems import problem_response
from gateway.api.route import Route, trace_request
from gateway.api.stream import EventStream
from gateway.api.tls import serve_certificate
from gateway.app import Gateway
from gateway.errors import Forbidden, StateError
from gateway.settings import ServerSettings

ROUTES: Final[tuple[Route, ...]] = (
    *system.ROUTES,
    *tokens.ROUTES,
    *authority.ROUTES,
    *metrics.ROUTES,
    *cameras.ROUTES,
    *outbox.ROUTES,
    *flow.ROUTES,
    *events.ROUTES,
    *hooks.ROUTES,
    *subscriptions.ROUTES,
    *webhooks.ROUTES,
    *doctor.ROUTES,
    *vendor.ROUTES,
)

_PLAIN_HTTP_PATHS: Final = ("/healthz", authority.PAGE, "/hooks/cameras/")
"""The beginnings of paths that plain HTTP serves even where `server.allow_plain_http` is off."""


def make_application(
    gateway: Gateway, authenticate: Authenticator, stream: EventStream, settings: ServerSettings | None = None
) -> web.Application:
    """Return the web application of a gateway. `settings` are those of the network; None for the local socket."""
    # Only where it is needed: a middleware adds a tenth to the cost of accepting an order.
    middlewares = () if settings is None or settings.allow_plain_http else (_require_https,)
    app = web.Application(middlewares=middlewares, client_max_size=MAX_BODY_BYTES)
    app[system.DOCUMENT] = lambda: openapi.build_document(ROUTES)
    for route in ROUTES:
        app.router.add_route(route.method, route.path, route.bind(gateway, authenticate))
    if settings is not None and settings.cors_origins:
        allow_origins(app, settings.cors_origins, {route.method for route in ROUTES}, otherwise=_respond_not_found)
    app.router.add_route("*", "/{path:.*}", _respond_not_found)
    app[events.STREAM] = stream
    app.on_shutdown.append(lambda _: stream.close())
    return app


@contextlib.asynccontextmanager
async def serve(gateway: Gateway) -> AsyncIterator[list[str]]:
    """Serve tills at the addresses of the settings, and commands on the Unix socket if the system has those.

    Yields the base URLs. Raises `StateError` naming the address that cannot be listened on, and `SettingsError`.
    """
    async with contextlib.AsyncExitStack() as stack:
        stream = await stack.enter_async_context(_open_stream(gateway))
        if HAS_UNIX_SOCKETS:
            await stack.enter_async_context(_serve_commands(gateway, stream))
        settings = gateway.settings.server
        app = make_application(gateway, token_authenticator(gateway.tokens), stream, settings)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=5)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        context = await stack.enter_async_context(serve_certificate(gateway)) if settings.https_port else None
        urls = await _listen_on_network(runner, settings, context)
        gateway.directory.save_address(urls[0])
        yield urls


@contextlib.asynccontextmanager
async def serve_commands(gateway: Gateway) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve the commands of this machine's user, with every right, and yield a client session.

    The file permissions of the Unix socket keep others out. A system without Unix sockets serves on loopback and
    demands a key that only this process knows.
    """
    async with _open_stream(gateway) as stream, _serve_commands(gateway, stream) as session:
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
async def _serve_commands(gateway: Gateway, stream: EventStream) -> AsyncIterator[aiohttp.ClientSession]:
    key = secrets.token_urlsafe(32)
    app = make_application(gateway, authenticate_socket if HAS_UNIX_SOCKETS else key_authenticator(key), stream)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=5)
    await runner.setup()
    try:
        if HAS_UNIX_SOCKETS:
            await _listen(web.UnixSite(runner, str(gateway.socket)), f"the socket {gateway.socket}")
            gateway.socket.chmod(0o600)
            session = socket_session(gateway.socket)
        else:
            await _listen(web.TCPSite(runner, "127.0.0.1", 0), "loopback")
            session = aiohttp.ClientSession(
                f"http://127.0.0.1:{runner.addresses[0][1]}", headers={"Authorization": f"Bearer {key}"}
            )
        async with session:
            yield session
    finally:
        await runner.cleanup()
        gateway.socket.unlink(missing_ok=True)


async def _listen_on_network(
    runner: web.AppRunner, settings: ServerSettings, context: ssl.SSLContext | None
) -> list[str]:
    urls = []
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104  compared, not bound
    if context is not None:
        site = web.TCPSite(runner, settings.host, settings.https_port, ssl_context=context)
        await _listen(site, f"{settings.host}:{settings.https_port} (server.https_port)")
        urls.append(f"https://{host}:{settings.https_port}/")
    site = web.TCPSite(runner, settings.host, settings.port)
    await _listen(site, f"{settings.host}:{settings.port} (server.port)")
    port = runner.addresses[-1][1]
    return [f"http://{host}:{port}/", *urls]


async def _listen(site: web.BaseSite, address: str) -> None:
    try:
        await site.start()
    except OSError as exc:
        raise StateError(f"cannot listen on {address}: {os.strerror(exc.errno) if exc.errno else exc}") from exc


@web.middleware
async def _require_https(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.secure or request.path.startswith(_PLAIN_HTTP_PATHS):
        return await handler(request)
    return await _refuse_plain_http(request)


@trace_request
async def _refuse_plain_http(request: web.Request) -> web.StreamResponse:
    forbidden = Forbidden("plain HTTP is switched off (server.allow_plain_http); use the HTTPS port")
    return problem_response(request, forbidden)


@trace_request
async def _respond_not_found(request: web.Request) -> web.StreamResponse:
    """Respond to what no route takes: 405 for a path that has other methods, else 404."""
    methods: set[str] = set()
    for resource in request.app.router.resources():
        if resource is not request.match_info.route.resource:
            methods |= (await resource.resolve(request))[1]
    failure = web.HTTPMethodNotAllowed(request.method, methods) if methods else web.HTTPNotFound()
    return problem_response(request, failure)
