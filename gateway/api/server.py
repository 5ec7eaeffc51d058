"""Serving the local REST API: plain HTTP, HTTPS, and the Unix socket for commands."""

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

_PLAIN_PATHS: Final = ("/healthz", authority.PAGE, "/hooks/cameras/")
"""What plain HTTP still serves where the settings do not allow it in general: what begins like this."""


def make_application(
    gateway: Gateway, authenticate: Authenticator, settings: ServerSettings | None = None
) -> web.Application:
    """Make the web application of a gateway. `settings` are for callers on the network."""
    # A middleware costs a tenth of what accepting an order does.
    middlewares = () if settings is None or settings.allow_plain_http else (_only_encrypted,)
    app = web.Application(middlewares=middlewares, client_max_size=MAX_BODY_BYTES)
    app[system.DOCUMENT] = lambda: openapi.document(ROUTES)
    for route in ROUTES:
        app.router.add_route(route.method, route.path, route.bind(gateway, authenticate))
    if settings is not None and settings.cors_origins:
        allow_origins(app, settings.cors_origins, {route.method for route in ROUTES}, otherwise=_nothing_there)
    app.router.add_route("*", "/{path:.*}", _nothing_there)
    stream = app[events.STREAM] = EventStream(gateway.event_log)
    gateway.tokens.on_revoked.append(stream.end)
    app.cleanup_ctx.append(stream.running)
    app.on_shutdown.append(stream.close)
    return app


@contextlib.asynccontextmanager
async def serve(gateway: Gateway) -> AsyncIterator[list[str]]:
    """Serve tills where the settings say, and commands on the Unix socket where the system has those.

    Yields the base URLs. Raises `StateError` naming what could not be listened on, and `SettingsError`.
    """
    async with contextlib.AsyncExitStack() as stack:
        if HAS_UNIX_SOCKETS:
            await stack.enter_async_context(serve_commands(gateway))
        settings = gateway.settings.server
        app = make_application(gateway, token_authenticator(gateway.tokens), settings)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=5)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        context = await stack.enter_async_context(serve_certificate(gateway)) if settings.https_port else None
        urls = await _listen_on_network(runner, settings, context)
        gateway.directory.announce(urls[0])
        yield urls


@contextlib.asynccontextmanager
async def serve_commands(gateway: Gateway) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve commands of this machine's user alone, with every right; yield a client session.

    On the Unix socket the file's permissions are the token. Where there are none, it is loopback and a key that only
    this process knows.
    """
    key = secrets.token_urlsafe(32)
    app = make_application(gateway, authenticate_socket if HAS_UNIX_SOCKETS else key_authenticator(key))
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
    shown = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104  compared, not bound
    if context is not None:
        site = web.TCPSite(runner, settings.host, settings.https_port, ssl_context=context)
        await _listen(site, f"{settings.host}:{settings.https_port} (server.https_port)")
        urls.append(f"https://{shown}:{settings.https_port}/")
    site = web.TCPSite(runner, settings.host, settings.port)
    await _listen(site, f"{settings.host}:{settings.port} (server.port)")
    port = runner.addresses[-1][1]
    return [f"http://{shown}:{port}/", *urls]


async def _listen(site: web.BaseSite, where: str) -> None:
    try:
        await site.start()
    except OSError as exc:
        raise StateError(f"cannot listen on {where}: {os.strerror(exc.errno) if exc.errno else exc}") from exc


@web.middleware
async def _only_encrypted(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.secure or request.path.startswith(_PLAIN_PATHS):
        return await handler(request)
    return await _refused_plain(request)


@trace_request
async def _refused_plain(request: web.Request) -> web.StreamResponse:
    refusal = Forbidden("plain HTTP is switched off (server.allow_plain_http); use the HTTPS port")
    return problem_response(request, refusal)


@trace_request
async def _nothing_there(request: web.Request) -> web.StreamResponse:
    """Answer what no route takes, telling an unknown path from one that has other methods."""
    methods: set[str] = set()
    for resource in request.app.router.resources():
        if resource is not request.match_info.route.resource:
            methods |= (await resource.resolve(request))[1]
    failure = web.HTTPMethodNotAllowed(request.method, methods) if methods else web.HTTPNotFound()
    return problem_response(request, failure)
