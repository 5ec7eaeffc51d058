"""What every web server of this program has in common: its options, its limits, and how it listens."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

from aiohttp import hdrs, web

from firmware_tools.language import message
from gateway.api.connections import IDLE_TIMEOUT_S, ConnectionLimits, Connections
from gateway.api.problems import problem_response
from gateway.errors import StateError
from gateway.runtime.supervisor import Supervisor

RUNNER_OPTIONS: Final[dict[str, Any]] = {
    "access_log": None,
    "handle_signals": False,
    "shutdown_timeout": 5,
    "keepalive_timeout": IDLE_TIMEOUT_S,
    "lingering_time": 5,  # for a body that nobody wants: so that its sender reads why
    "auto_decompress": False,  # it would unpack bodies before it is known whose they are
    "read_bufsize": 32 * 1024,
    "max_headers": 64,
}


@contextlib.asynccontextmanager
async def limit_connections(
    supervisor: Supervisor, limits: ConnectionLimits | None, name: str = "connection limits"
) -> AsyncIterator[Connections]:
    """Yield what admits connections, and closes those that stay silent; without limits, the usual ones hold.

    `name` is that of the service that closes them.
    """
    connections = Connections(limits)
    interval_s = connections.limits.first_request_s / 4
    service = supervisor.start_periodic(name, connections.sweep, interval_s=interval_s)
    try:
        yield connections
    finally:
        await supervisor.remove_service(service)


async def listen(site: web.BaseSite, address: str) -> None:
    """Start to listen; `address` names it for people. Raises `StateError`."""
    try:
        await site.start()
    except OSError as exc:
        raise cannot_listen(address, exc) from exc


def cannot_listen(address: str, failure: OSError) -> StateError:
    """Return the error for an address that cannot be listened on."""
    return StateError(
        message(
            "cannot listen on {address}: {reason}",
            address=address,
            reason=failure,
        )
    )


async def respond_unrouted(request: web.Request) -> web.StreamResponse:
    """Respond to what no route takes: to OPTIONS with the methods of the path; else 405, or 404 if it has none."""
    methods: set[str] = set()
    for resource in request.app.router.resources():
        if resource is not request.match_info.route.resource:
            methods |= (await resource.resolve(request))[1]
    if not methods:
        return problem_response(request, web.HTTPNotFound())
    methods.add(hdrs.METH_OPTIONS)
    if request.method == hdrs.METH_OPTIONS:
        return web.Response(status=204, headers={hdrs.ALLOW: ", ".join(sorted(methods))})
    return problem_response(request, web.HTTPMethodNotAllowed(request.method, sorted(methods)))
