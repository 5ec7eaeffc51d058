"""Adds the console to the web application of the gateway."""

import functools
from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway.api.body_budget import BodyBudget
from gateway.api.lazy_routes import LazyRoutes
from gateway.api.route import Screen, WebHandler, screen_first
from gateway.api.server import WrapUnrouted
from gateway.app import Gateway
from gateway.console.simulated_store import SimulatedStoreControl

if TYPE_CHECKING:
    from gateway.console.page import Site

PREFIX: Final = "/console"
"""With what the paths of all pages begin."""


def add_console(
    app: web.Application,
    gateway: Gateway,
    budget: BodyBudget,
    screen: Screen,
    *,
    simulated_store: SimulatedStoreControl | None = None,
) -> WrapUnrouted:
    """Add the console, which is imported when somebody opens a page, and the way to its first page.

    `simulated_store` is how the store is told to misbehave, where it is a simulated one. Returns what makes a page of
    the response to an address of the console that has none.
    """

    @functools.cache
    def open_site() -> "Site":
        from gateway.console.pages import make_site

        return make_site(gateway, simulated_store)

    def add_pages(router: web.UrlDispatcher) -> None:
        from gateway.console.pages import add_pages

        add_pages(router, open_site(), budget, screen)

    def wrap_unrouted(otherwise: WebHandler) -> WebHandler:
        async def handle(request: web.Request) -> web.StreamResponse:
            if not request.rel_url.path_safe.startswith(f"{PREFIX}/"):  # as `LazyRoutes` tells it
                return await otherwise(request)
            from gateway.console.page import PageContext
            from gateway.console.site_page import bind_unrouted

            # The router has looked for a page before, and has made the site in a thread.
            return await bind_unrouted(open_site(), PageContext, otherwise)(request)

        return handle

    for path in ("/", PREFIX):
        app.router.add_get(path, screen_first(screen, _lead_home))
    app.router.register_resource(LazyRoutes(PREFIX, add_pages))
    return wrap_unrouted


async def _lead_home(_: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": f"{PREFIX}/"})
