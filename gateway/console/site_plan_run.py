"""What a run of the site plan would do, and what a person agrees to before it begins."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from firmware_tools.language import message
from gateway.api.changes import name_object
from gateway.console.form import Form
from gateway.console.page import ConsolePage, PageContext
from gateway.console.site_plan_progress import DRY_RUN, LIST, SITE_PLAN, cut_page, find_plan
from gateway.console.site_plan_texts import STEP_TITLES
from gateway.errors import InvalidRequest, Problem
from gateway.shop.plan import PlannedCamera
from gateway.shop.plan_check import list_notes, will_be_activated
from gateway.shop.run_record import RunRequest

_CAMERA_S: Final = 20
"""How long a camera takes that is on the network, without the wait for its first event, in seconds."""
_HOTSPOT_S: Final = 60
"""How long the way to a hotspot and back takes; cameras are visited one after the other."""
_REJOIN_S: Final = 180
"""How long a camera may take until it is in the shop's network."""


def estimate_minutes(actions: Sequence[frozenset[str]], *, max_concurrency: int, event_wait_s: float) -> int:
    """Return how many minutes a run takes at most, roughly, by the steps of each camera."""
    far = sum("wifi" in steps for steps in actions)
    rounds = -(-len(actions) // max_concurrency)
    seconds = rounds * _CAMERA_S + event_wait_s + far * _HOTSPOT_S + (_REJOIN_S if far else 0)
    return max(1, -(-int(seconds) // 60))


async def show_dry_run(context: PageContext) -> web.StreamResponse:
    """Show what would happen to which cameras, and ask for what cannot be undone."""
    if find_plan(context) is None:
        return context.redirect(LIST)
    if context.gateway.shop.is_running:
        return context.redirect(SITE_PLAN)
    return await _render(context, only_failed=context.request.query.get("only") == "failed")


async def _render(context: PageContext, *, only_failed: bool, problem: Problem | None = None) -> web.Response:
    gateway = context.gateway
    shop, plan = gateway.shop, gateway.shop.plan
    would = await shop.describe_dry_run(RunRequest(only_failed=only_failed))
    planned = {one.label: one.planned for one in shop.progress}
    notes: dict[str, list[str]] = {}
    for note in list_notes(plan, gateway.registry):
        notes.setdefault(note.camera, []).append(note.text)
    rows = [_describe(context, planned[one["sn"] or one["mac"]], one["actions"], notes) for one in would["cameras"]]
    # What is erased or needs a look comes first; else the order of the list.
    rows.sort(key=lambda row: (not row["notes"], not row["erased"]))
    number = context.request.query.get("page", "1")
    shown, page, pages = cut_page(rows, int(number) if number.isascii() and number.isdigit() else 1)
    settings = gateway.settings.provisioning
    minutes = estimate_minutes(
        [row["steps"] for row in rows],
        max_concurrency=settings.max_concurrency,
        event_wait_s=settings.event_wait_s,
    )
    return context.render(
        "site_plan_dry_run.html",
        status=200 if problem is None else problem.status,
        only_failed=only_failed,
        erases=would["erases"],
        hotspots=would["hotspots"],
        total=len(rows),
        far=sum("wifi" in row["steps"] for row in rows),
        noted=sum(bool(row["notes"]) for row in rows),
        rows=shown,
        page=page,
        pages=pages,
        minutes=minutes,
        plan=plan,
        step_titles=STEP_TITLES,
        problem=problem,
        field_errors=dict(problem.field_errors) if isinstance(problem, InvalidRequest) else {},
    )


def _describe(
    context: PageContext, planned: PlannedCamera, actions: Sequence[Mapping[str, str]], notes: Mapping[str, list[str]]
) -> dict[str, Any]:
    return {
        "label": planned.label,
        "name": planned.name,
        "place": planned.place,
        "erased": will_be_activated(planned, context.gateway.registry),
        "actions": actions,
        "steps": frozenset(one["step"] for one in actions),
        "notes": notes.get(planned.label, []),
    }


async def start_run(context: PageContext) -> web.StreamResponse:
    """Start a run, if a person has agreed to what it asks."""
    form = await context.read_form()
    only_failed = form.text("only") == "failed"
    if find_plan(context) is None:
        return context.redirect(LIST)
    request = RunRequest(
        only_failed=only_failed,
        confirm_erase=_read_number(form),
        confirm_offline={"yes": True, "no": False}.get(form.text("confirm_offline")),
    )
    try:
        await context.gateway.shop.start_run(request)
    except InvalidRequest as exc:
        return await _render(context, only_failed=only_failed, problem=exc)
    except Problem as exc:
        return context.redirect(f"{DRY_RUN}?only={form.text('only')[:10]}", notice=exc.detail, failed=True)
    name_object(context.request, f"{len(context.gateway.shop.progress)} cameras")
    return context.redirect(SITE_PLAN, notice=message("It has begun. You may leave this page, and come back to it."))


def _read_number(form: Form) -> int | None:
    text = form.text("confirm_erase")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else None


PAGES = (
    ConsolePage("GET", "cameras/site-plan/dry-run", show_dry_run, "installer"),
    ConsolePage("POST", "cameras/site-plan/run", start_run, "installer", does=message("Set up a whole shop")),
)
