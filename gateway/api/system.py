"""Health, status, and the catalogue."""

import asyncio
import time

from aiohttp import web

from gateway import __version__
from gateway.api.readings import try_read
from gateway.api.route import DeclaredResponse, RequestContext, Route, json_response
from gateway.changed_settings import list_set_aside
from gateway.outbox.model import Stats
from gateway.protocol.catalogue import CATALOGUE


async def healthz(context: RequestContext) -> web.StreamResponse:
    """Respond that the gateway serves. Raises `NotServingYet`."""
    context.gateway.readiness.check()
    return json_response({"status": "ok"})


async def status(context: RequestContext) -> web.StreamResponse:
    """Return the version, and the state of cloud, cameras, outbox and services; null is what cannot be read now."""
    gateway = context.gateway
    cameras = gateway.registry.all()
    outbox = await try_read(gateway.outbox.stats()) or Stats(gateway.outbox.depth, None)
    others = await try_read(gateway.outbox.accounts.count_held())
    return json_response(
        {
            "version": __version__,
            "uptime_s": round(time.monotonic() - gateway.started_at, 1),
            "cloud": {"reachable": gateway.cloud.reachable, "clock_offset_s": gateway.cloud.clock.offset_s},
            "cameras": {"known": len(cameras), "online": sum(camera.online for camera in cameras)},
            "outbox": outbox._asdict(),
            "relay": {
                "away": gateway.outbox.unreachable,
                "unclear": gateway.outbox.unclear,
                "held": gateway.outbox.held,
                "account": gateway.outbox.accounts.current.describe(),
                "other_accounts": None if others is None else [other.describe() for other in others],
            },
            "storage": {"volatile": gateway.directory.volatile_mount is not None},
            "settings": {"set_aside": await asyncio.to_thread(list_set_aside, gateway.directory.path)},
            "fleet": None if gateway.fleet_link is None else gateway.fleet_link.status().describe(),
            "services": [report.describe() for report in gateway.supervisor.reports()],
        }
    )


async def catalogue(_: RequestContext) -> web.StreamResponse:
    """Return every vendor endpoint with its parameters, return codes and scope."""
    return json_response({"endpoints": [endpoint.describe() for endpoint in CATALOGUE.endpoints]})


ROUTES = (
    Route("GET", "/healthz", "Whether the gateway serves", healthz, None, any_host=True,
          responses={200: DeclaredResponse("It serves.", "Health")}),
    Route("GET", "/api/v1/status", "Version, uptime, cloud and cameras at a glance", status, "pos", while_held=True,
          responses={200: DeclaredResponse("The state of the gateway.", "Status")}),
    Route("GET", "/api/v1/catalogue", "Every vendor endpoint as data", catalogue, "pos",
          responses={200: DeclaredResponse("The endpoints.", "Catalogue")}, etag_ignores=()),
)  # fmt: skip
