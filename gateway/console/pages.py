"""Every page of the console, with the static files."""

import hashlib
from typing import Final

from aiohttp import web

from firmware_tools.language import message
from gateway.api.body_budget import BodyBudget
from gateway.api.route import Screen, WebHandler, screen_first
from gateway.app import Gateway
from gateway.console import (
    access,
    audit,
    backup,
    camera_actions,
    camera_lens,
    camera_page,
    camera_picture,
    camera_set_up,
    cameras,
    cards,
    demonstration,
    developer,
    home,
    label_form,
    label_page,
    label_templates,
    labels,
    live,
    outbox,
    product_comparison,
    product_import,
    product_page,
    products,
    restore,
    set_up_progress,
    shop_settings,
    sign_in,
    site_plan_list,
    site_plan_progress,
    site_plan_run,
    today,
)
from gateway.console.camera_search import CameraSearch
from gateway.console.examination import Examination
from gateway.console.live_state import LiveState
from gateway.console.page import ConsolePage, PageContext, Site
from gateway.console.set_up_draft import SetUpDrafts
from gateway.console.simulated_store import SimulatedStoreControl
from gateway.console.static_files import PREFIX

PAGES: Final[tuple[ConsolePage, ...]] = (
    *home.PAGES,
    ConsolePage("GET", "sign-in", sign_in.show_sign_in, None),
    ConsolePage("POST", "sign-in", sign_in.sign_in, None),
    ConsolePage("POST", "sign-out", sign_in.sign_out, "pos", does=message("Sign out")),
    ConsolePage("GET", "language", sign_in.choose_language, None, shows="data"),
    *live.PAGES,
    *cameras.PAGES,
    *site_plan_progress.PAGES,
    *site_plan_list.PAGES,
    *site_plan_run.PAGES,
    *demonstration.PAGES,
    *camera_page.PAGES,
    *camera_actions.PAGES,
    *camera_picture.PAGES,
    *camera_lens.PAGES,
    *camera_set_up.PAGES,
    *set_up_progress.PAGES,
    *outbox.PAGES,
    *products.PAGES,
    *product_page.PAGES,
    *labels.PAGES,
    *label_form.PAGES,
    *label_page.PAGES,
    *label_templates.PAGES,
    *product_import.PAGES,
    *product_comparison.PAGES,
    *today.PAGES,
    *access.PAGES,
    *cards.PAGES,
    *shop_settings.PAGES,
    *backup.PAGES,
    *restore.PAGES,
    *audit.PAGES,
    *developer.PAGES,
)
"""Every page of the console."""


def make_site(gateway: Gateway, simulated_store: SimulatedStoreControl | None) -> Site:
    """Return what the pages of a gateway share.

    `simulated_store` is how the store is told to misbehave, where it is a simulated one.
    """
    # Not the key itself, which signs tickets.
    name = hashlib.sha256(b"console" + gateway.event_log.ticket_key).hexdigest()[:12]
    drafts = SetUpDrafts()
    gateway.provisioning.subscribe(drafts.note_job)
    examination, search = Examination(), CameraSearch()
    live_state = LiveState(gateway, examination, search)
    return Site(
        cookie=f"session_{name}",
        gateway=gateway,
        examination=examination,
        camera_search=search,
        live_state=live_state,
        drafts=drafts,
        simulated_store=simulated_store,
    )


def add_pages(router: web.UrlDispatcher, site: Site, budget: BodyBudget, screen: Screen) -> None:
    """Add every page, and the static files."""
    for page in PAGES:
        handler = page.bind(site, PageContext, budget, screen)
        for method in page.methods:
            router.add_route(method, f"/console/{page.path}", handler)
    router.add_get(f"{PREFIX}{{name}}", screen_first(screen, _serve_static(site)))


def _serve_static(site: Site) -> WebHandler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return site.static_files.respond(request)

    return handle
