"""Handing over the list of a whole shop: as a file or as pasted rows, checked before anything is kept."""

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from aiohttp import web

from firmware_tools.language import Message, message
from gateway.api.changes import name_object
from gateway.console.form import Form
from gateway.console.page import ConsolePage, PageContext
from gateway.console.site_plan_progress import DRY_RUN, find_plan
from gateway.console.site_plan_texts import EXAMPLE_LISTS
from gateway.errors import FieldError, InvalidRequest, Problem
from gateway.shop.plan import MAX_CAMERAS, SitePlan
from gateway.shop.plan_reader import change_wifi, read_list

MAX_SHOWN_FAULTS: Final = 100
_WIFI_FIELDS: Final = ("ssid", "password", "hidden")


@dataclass(frozen=True, slots=True)
class ListFault:
    """Something wrong in a list."""

    row: str
    """The line of the list; empty if it is of no single line."""
    column: str
    """The column; empty if it is the line or the list as a whole."""
    reason: str
    """What is wrong, and what to do."""


def describe_fault(error: FieldError) -> ListFault:
    """Return where in a list a fault is, as the reader of lists has said it."""
    reason = error.reason
    place, _, column = error.parameter.rpartition(".")
    if isinstance(reason, Message) and "reason" in reason.values:
        row = reason.values.get("line", reason.values.get("row"))
        if row is not None:
            # As the list calls its column, which may be in another language than ours.
            heading = reason.values.get("column", column if place else "")
            inner = reason.values["reason"]
            return ListFault(str(row), str(heading), inner if isinstance(inner, str) else str(inner))
    return ListFault("", column if place else "", reason)


async def show_list_form(context: PageContext) -> web.StreamResponse:
    """Ask for the list and the Wi-Fi."""
    control = context.site.simulated_store
    text = control.site_plan if control is not None and "example" in context.request.query else ""
    return _render(context, text=text)


def _render(
    context: PageContext, *, text: str = "", form: Form | None = None, problem: Problem | None = None
) -> web.Response:
    plan = find_plan(context)
    settings = context.gateway.settings.provisioning
    known = plan.wifi if plan is not None else None
    errors = problem.field_errors if isinstance(problem, InvalidRequest) else ()
    faults = [describe_fault(one) for one in errors if not one.parameter.startswith("wifi.")]
    wifi_errors = {
        one.parameter.removeprefix("wifi."): one.reason for one in errors if one.parameter.startswith("wifi")
    }
    control = context.site.simulated_store
    return context.render(
        "site_plan_list.html",
        status=200 if problem is None else problem.status,
        text=text,
        ssid=form.raw_text("ssid") if form is not None else known.ssid if known is not None else settings.ssid,
        password=form.raw_text("password") if form is not None else "",
        is_hidden=form.is_ticked("hidden") if form is not None else known is not None and known.hidden,
        has_password=bool(known.password if known is not None else settings.password),
        had_file=form is not None and bool(form.files),
        problem=None if errors else problem,
        faults=faults[:MAX_SHOWN_FAULTS],
        more_faults=max(0, len(faults) - MAX_SHOWN_FAULTS),
        wifi_errors=wifi_errors,
        plan=plan,
        max_cameras=MAX_CAMERAS,
        has_simulated_list=control is not None and bool(control.site_plan),
    )


async def take_list(context: PageContext) -> web.StreamResponse:
    """Check a list as a whole, and keep it as the plan of the shop. A list with a fault changes nothing."""
    form = await context.read_form()
    text = form.raw_text("rows")
    try:
        plan = await _read(context, form, text)
        await context.gateway.shop.replace(plan)
    except Problem as exc:
        return _render(context, text=text, form=form, problem=exc)
    name_object(context.request, f"{len(plan.cameras)} cameras")
    # What was done for cameras that the list leaves as they were stays done.
    is_begun = any(one.state == "done" for one in context.gateway.shop.progress)
    return context.redirect(f"{DRY_RUN}?only=failed" if is_begun else DRY_RUN)


async def _read(context: PageContext, form: Form, text: str) -> SitePlan:
    data = form.files["file"].data if "file" in form.files else text.encode("utf-8", "replace")
    settings, plan = context.gateway.settings.provisioning, find_plan(context)
    if not data.strip() and plan is not None:
        cameras = tuple(one.planned for one in context.gateway.shop.progress)  # without the numbers of those done
        return change_wifi(replace(plan, cameras=cameras), _choose_wifi(context, form), settings)
    if not data.strip():
        raise InvalidRequest([FieldError("list", message("choose a file, or paste the rows of the list"))])
    return await asyncio.to_thread(read_list, data, message("the list"), settings, _choose_wifi(context, form))


def _choose_wifi(context: PageContext, form: Form) -> dict[str, str] | None:
    """Return the Wi-Fi that the form names; None if it is the one of the settings, so that a list may name another."""
    given = {name: form.raw_text(name) for name in _WIFI_FIELDS}
    settings, plan = context.gateway.settings.provisioning, find_plan(context)
    if not given["password"] and plan is not None and plan.wifi is not None and plan.wifi.ssid == given["ssid"]:
        given["password"] = plan.wifi.password
    if given == {"ssid": settings.ssid, "password": "", "hidden": ""}:
        return None
    return given if any(given.values()) else None


async def download_example(context: PageContext) -> web.StreamResponse:
    """Send a list to fill in: of the cameras of the simulated store, where it is one."""
    control = context.site.simulated_store
    text = control.site_plan if control is not None and control.site_plan else EXAMPLE_LISTS[context.language]
    return web.Response(
        body=text.encode(),
        content_type="text/csv",
        charset="utf-8",
        headers={"Content-Disposition": 'attachment; filename="site-plan.csv"'},
    )


PAGES = (
    ConsolePage("GET", "cameras/site-plan/list", show_list_form, "installer"),
    ConsolePage(
        "POST", "cameras/site-plan/list", take_list, "installer", does=message("Keep the list of a whole shop")
    ),
    ConsolePage("GET", "cameras/site-plan/example.csv", download_example, "installer", shows="data"),
)
