"""The page that pushes a list of products or a template of labels to shops."""

from typing import Any, Final, Literal

from aiohttp import web

from firmware_tools.language import message
from gateway.console.form import MAX_FORM_BYTES, Form
from gateway.errors import FieldError, InvalidRequest, Problem
from gateway.office.content import ContentStore
from gateway.office.rollouts import start_rollout
from gateway.office_site.file_check import check_file
from gateway.office_site.site import OfficeContext, OfficePage
from gateway.office_site.wave_form import WaveForm, list_typed, read_target


async def show_push(context: OfficeContext) -> web.StreamResponse:
    """Show the form."""
    return _render(context)


async def push_file(context: OfficeContext) -> web.StreamResponse:
    """Check a file, store it at the servers, and begin to roll it out."""
    form = await context.read_form()
    try:
        target, waves = read_target(form), WaveForm.of(form).read()
        file = form.files.get("file")
        if file is None:
            raise InvalidRequest([FieldError("file", message("is missing or empty"))])
        kind: Literal["products", "templates"] = "templates" if form.text("kind") == "templates" else "products"
        part = await check_file(kind, file.filename, file.data, is_partial=form.is_ticked("partial"))
        store = ContentStore(context.office)
        wanted: dict[str, Any] = (await store.put(file.filename[-200:], file.data)).model_dump(mode="json")
        if kind == "products":
            wanted |= {"complete": not form.is_ticked("partial"), "confirm": form.is_ticked("confirm")}
        await store.remove_unused()
        rollout = await start_rollout(
            context.office,
            context.view.shops,
            kind,
            {part: wanted},
            target,
            title=file.filename[-200:],
            by=context.name,
            **waves,
        )
        await context.view.refresh_rollouts()
    except Problem as exc:
        return _render(context, problem=exc, form=form)
    return context.redirect(f"/console/rollouts/{rollout.id}")


def _render(context: OfficeContext, *, problem: Problem | None = None, form: Form | None = None) -> web.Response:
    return context.render(
        "push.html",
        status=200 if problem is None else problem.status,
        problem=problem,
        groups=context.view.shops.groups(),
        typed=list_typed(form, "kind", "target", "shops"),
        max_megabytes=MAX_FORM_BYTES // 1024**2,
        **(WaveForm() if form is None else WaveForm.of(form)).values,
    )


PAGES: Final = (
    OfficePage("GET", "push", show_push, "operate"),
    OfficePage("POST", "push", push_file, "operate", does=message("Push a file to shops")),
)
