"""How far the set-up of a whole shop is: camera by camera, the worst first."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from firmware_tools.language import message
from gateway.console.page import ConsolePage, PageContext
from gateway.console.site_plan_texts import CAMERA_STATES, STEP_STATES, STEP_TITLES
from gateway.errors import NotFound, Problem
from gateway.shop.plan import SitePlan
from gateway.shop.progress import CameraProgress, PlannedCameraState, StepProgress
from gateway.shop.set_up import SiteSetUp

SITE_PLAN: Final = "/console/cameras/site-plan"
LIST: Final = f"{SITE_PLAN}/list"
DRY_RUN: Final = f"{SITE_PLAN}/dry-run"
CAMERAS_ON_PAGE: Final = 40
"""How many cameras a page shows: it stays small for a phone in a shop without much Wi-Fi."""

_ORDER: Final[Sequence[PlannedCameraState]] = tuple(CAMERA_STATES)
_KINDS: Final[Mapping[str, Sequence[PlannedCameraState]]] = {
    "all": _ORDER,
    "failed": ("failed",),
    "open": ("waiting", "running", "pending"),
    "done": ("done",),
}


@dataclass(frozen=True, slots=True)
class ShopCounts:
    """How many cameras of the plan are how far."""

    total: int
    """All of them."""
    done: int
    """Those that are done."""
    failed: int
    """Those that have failed."""
    waiting: int
    """Those that wait for a person."""
    is_running: bool
    """Whether a run is under way."""

    @property
    def open(self) -> int:
        """Those that are neither done nor have failed."""
        return self.total - self.done - self.failed


@dataclass(frozen=True, slots=True)
class ProgressView:
    """Which cameras a person wants to see."""

    kind: str = "all"
    """A name of `_KINDS`."""
    number: int = 1
    """The page, from 1."""

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "ProgressView":
        """Read it from an address; what makes no sense is as if it were not there."""
        kind, number = query.get("kind", "all"), query.get("page", "1")
        return cls(kind if kind in _KINDS else "all", int(number) if number.isascii() and number.isdigit() else 1)

    def encode(self, *, kind: str | None = None, number: int | None = None) -> str:
        """Return it for an address, with another kind or page."""
        return urlencode({"kind": kind or self.kind, "page": number or (self.number if kind is None else 1)})


def find_plan(context: PageContext) -> SitePlan | None:
    """Return the plan of the shop; None if there is none."""
    try:
        return context.gateway.shop.plan
    except NotFound:
        return None


def count_cameras(shop: SiteSetUp) -> ShopCounts | None:
    """Return how far the plan is as a whole; None if there is none."""
    states = [one.state for one in shop.progress]
    if not states:
        return None
    return ShopCounts(
        len(states), states.count("done"), states.count("failed"), states.count("waiting"), shop.is_running
    )


def sort_worst_first(cameras: Sequence[CameraProgress], kind: str) -> list[CameraProgress]:
    """Return the cameras of a kind: failed ones first, then those that wait; else in the order of the list."""
    wanted = _KINDS[kind]
    return sorted((one for one in cameras if one.state in wanted), key=lambda one: _ORDER.index(one.state))


def list_notable_steps(camera: CameraProgress) -> list[StepProgress]:
    """Return the steps of which a person should read: those that failed, wait or are warnings."""
    return [step for step in camera.steps if step.state in ("failed", "waiting", "warning")]


def find_present_step(camera: CameraProgress) -> StepProgress | None:
    """Return the step that is under way."""
    return next((step for step in camera.steps if step.state == "running"), None)


def cut_page(cameras: Sequence[Any], number: int) -> tuple[Sequence[Any], int, int]:
    """Return the cameras of a page, its number, and how many pages there are."""
    pages = max(1, -(-len(cameras) // CAMERAS_ON_PAGE))
    number = min(max(1, number), pages)
    return cameras[(number - 1) * CAMERAS_ON_PAGE : number * CAMERAS_ON_PAGE], number, pages


async def show_site_plan(context: PageContext) -> web.StreamResponse:
    """Show how far the plan is; without one, ask for the list."""
    if find_plan(context) is None:
        return context.redirect(LIST)
    return context.render("site_plan.html", **_gather(context))


async def show_progress(context: PageContext) -> web.StreamResponse:
    """Show the part that changes."""
    return context.render("site_plan_progress.html", **_gather(context))


def _gather(context: PageContext) -> dict[str, Any]:
    shop, view = context.gateway.shop, ProgressView.parse(context.request.query)
    matching = sort_worst_first(shop.progress, view.kind)
    shown, number, pages = cut_page(matching, view.number)
    return {
        "counts": count_cameras(shop),
        "run": shop.run_record,
        "view": ProgressView(view.kind, number),
        "kinds": tuple(_KINDS),
        "cameras": shown,
        "managed": {one.sn for one in shown if context.gateway.registry.find(one.sn) is not None},
        "pages": pages,
        "camera_states": CAMERA_STATES,
        "step_states": STEP_STATES,
        "step_titles": STEP_TITLES,
        "list_notable_steps": list_notable_steps,
        "find_present_step": find_present_step,
        "advice": {step.reason: step.describe()["advice"] for one in shown for step in one.steps if step.reason},
    }


async def show_sheet(context: PageContext) -> web.StreamResponse:
    """Show the acceptance sheet, which prints on A4."""
    from gateway.shop.sheet_page import SHEET_PAGE_HEADERS, render_sheet  # takes memory, and is rarely needed

    if find_plan(context) is None:
        return context.redirect(LIST)
    gateway, again = context.gateway, "again" in context.request.query
    sheet = await gateway.shop_parts.sheets.make(
        verify=again, pictures=again and gateway.settings.video.max_streams > 0
    )
    html = await asyncio.to_thread(render_sheet, sheet, context.language)
    return web.Response(text=html, content_type="text/html", charset="utf-8", headers=SHEET_PAGE_HEADERS)


async def stop_run(context: PageContext) -> web.StreamResponse:
    """Stop the run; what was done stays."""
    try:
        await context.gateway.shop.stop_run()
    except Problem as exc:
        return context.redirect(SITE_PLAN, notice=exc.detail, failed=True)
    return context.redirect(SITE_PLAN, notice=message("It was stopped. What was done stays."))


async def delete_plan(context: PageContext) -> web.StreamResponse:
    """Forget the plan and its secrets; cameras stay as they are."""
    if not (await context.read_form()).is_ticked("sure"):
        unsure = message("Nothing was deleted: tick the box if the list is no longer needed.")
        return context.redirect(SITE_PLAN, notice=unsure, failed=True)
    try:
        await context.gateway.shop.delete()
    except Problem as exc:
        return context.redirect(SITE_PLAN, notice=exc.detail, failed=True)
    return context.redirect(
        LIST, notice=message("The plan was deleted, with its secrets. The cameras stay as they are.")
    )


PAGES = (
    ConsolePage("GET", "cameras/site-plan", show_site_plan, "installer"),
    ConsolePage("GET", "cameras/site-plan/progress", show_progress, "installer", shows="part"),
    ConsolePage("GET", "cameras/site-plan/sheet", show_sheet, "installer", shows="data"),
    ConsolePage(
        "POST", "cameras/site-plan/stop", stop_run, "installer", does=message("Stop the set-up of a whole shop")
    ),
    ConsolePage(
        "POST", "cameras/site-plan/delete", delete_plan, "installer", does=message("Delete the plan of a whole shop")
    ),
)
