"""Adds the console to the web application of the gateway."""

from typing import Final

from aiohttp import web

from gateway.api.body_budget import BodyBudget
from gateway.api.lazy_routes import LazyRoutes
from gateway.api.route import Screen, screen_first
from gateway.app import Gateway
from gateway.console.simulated_store import SimulatedStoreControl

PREFIX: Final = "/console"
"""With what the paths of all pages begin."""


def add_console(
    app: web.Application,
    gateway: Gateway,
    budget: BodyBudget,
    screen: Screen,
    *,
    simulated_store: SimulatedStoreControl | None = None,
) -> None:
    """Add the console, which is imported when somebody opens a page, and the way to its first page.

    `simulated_store` is how the store is told to misbehave, where it is a simulated one.
    """

    def add_pages(router: web.UrlDispatcher) -> None:
        from gateway.console.pages import add_pages

        add_pages(router, gateway, budget, screen, simulated_store)

    for path in ("/", PREFIX):
        app.router.add_get(path, screen_first(screen, _lead_home))
    app.router.register_resource(LazyRoutes(PREFIX, add_pages))


async def _lead_home(_: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": f"{PREFIX}/"})
