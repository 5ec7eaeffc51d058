"""The page that pushes a list of products or a template of labels to shops."""

from typing import Final

from aiohttp import web

from firmware_tools.language import message
from gateway.console.form import Form
from gateway.errors import Problem
from gateway.fleet.documents import MAX_CONTENT_BYTES
from gateway.fleet.part_names import PRODUCTS, TEMPLATES
from gateway.office.rollouts import start_rollout
from gateway.office_site.file_intake import MAX_UPLOAD_BYTES, FileKind
from gateway.office_site.site import OfficeContext, OfficePage
from gateway.office_site.wave_form import WaveForm, list_typed, read_target


async def show_push(context: OfficeContext) -> web.StreamResponse:
    """Show the form."""
    return _render(context)


async def push_file(context: OfficeContext) -> web.StreamResponse:
    """Receive a file, check it, store it at the servers, and begin to roll it out."""
    upload = await context.open_upload(MAX_UPLOAD_BYTES)
    form = Form({name: [text] for name, text in upload.fields.items()}, {})
    try:
        async with context.site.files.receive_upload(upload) as file:
            target, waves = read_target(form), WaveForm.of(form).read()
            kind: FileKind = TEMPLATES if form.text("kind") == TEMPLATES else PRODUCTS
            part, value = await context.site.files.store(
                context.office,
                kind,
                upload.file_name,
                file,
                is_partial=form.is_ticked("partial"),
                is_confirmed=form.is_ticked("confirm"),
            )
        rollout = await start_rollout(
            context.office,
            context.view.shops,
            kind,
            {part: value},
            target,
            title=upload.file_name[-200:],
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
        typed=list_typed(form, "kind", "partial", "confirm", "target", "shops"),
        max_megabytes=MAX_CONTENT_BYTES // 1024**2,
        **(WaveForm() if form is None else WaveForm.of(form)).values,
    )


PAGES: Final = (
    OfficePage("GET", "push", show_push, "operate"),
    OfficePage(
        "POST", "push", push_file, "operate", does=message("Push a file to shops"), max_upload_bytes=MAX_UPLOAD_BYTES
    ),
)
