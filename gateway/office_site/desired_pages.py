"""Pages of what is wanted of the shops: settings of the chain, of a group and of one shop."""

import re
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from firmware_tools.language import message
from gateway.api.changes import mark_unchanged
from gateway.console.form import Form
from gateway.desired_settings import PUSHABLE
from gateway.errors import FieldError, InvalidRequest, Problem
from gateway.fleet.part_names import SETTINGS, find_part_kind, setting_part
from gateway.fleet.subjects import shop_key
from gateway.fleet_settings import SHOP_NAME
from gateway.office.desired import DesiredBucket, DesiredDocument, list_parts, parse_setting
from gateway.office.outcome_texts import DESIRED_OUTCOMES
from gateway.office.rollout_targets import belongs_to, has_shared_scope
from gateway.office.rollouts import start_rollout
from gateway.office_site.desired_parts import find_key, make_target, set_parts
from gateway.office_site.model_form import write_value
from gateway.office_site.setting_rows import list_sections
from gateway.office_site.site import OfficeContext, OfficePage
from gateway.office_site.wave_form import WaveForm
from gateway.setting_texts import SETTING_TEXTS

DESIRED: Final = "/console/desired"


async def show_desired_list(context: OfficeContext) -> web.StreamResponse:
    """List the circles of shops of which something can be wanted."""
    sizes = context.view.desired
    await sizes.refresh()
    return context.render("desired_list.html", sizes=sizes, own=sizes.shops(), groups=context.view.shops.groups())


async def open_shop(context: OfficeContext) -> web.StreamResponse:
    """Lead to the settings of the shop that a person has named."""
    shop = context.request.query.get("name", "").strip()
    if not re.fullmatch(SHOP_NAME, shop):
        raise InvalidRequest([FieldError("name", message("must be 1 to 64 letters, digits, - and _"))])
    return context.redirect(f"{DESIRED}/{shop_key(context.view.shops.get(shop).shop)}")


async def show_desired(context: OfficeContext) -> web.StreamResponse:
    """Show what is wanted of a circle of shops, as a form."""
    document = await DesiredBucket(context.office).get(find_key(context.view.shops, context.request.match_info["key"]))
    return await _render(context, document)


async def change_desired(context: OfficeContext) -> web.StreamResponse:
    """Set settings at once, or begin to roll them out in waves. Before many shops get them at once, a page asks."""
    key = find_key(context.view.shops, context.request.match_info["key"])
    form = await context.read_form()
    document = await DesiredBucket(context.office).get(key)
    waves = WaveForm.of(form)
    if form.text("how") == "edit":
        mark_unchanged(context.request)
        return await _render(context, document, form=form)
    try:
        parts = _read_changes(document, form)
        if not parts:
            return context.redirect(f"{DESIRED}/{key}", notice=message("Nothing was changed."), failed=True)
        if form.text("how") == "waves":
            rollout = await start_rollout(
                context.office,
                context.view.shops,
                SETTINGS,
                parts,
                make_target(key),
                title=_make_title(parts),
                **waves.read(),
            )
            await context.view.refresh_rollouts()
            return context.redirect(f"/console/rollouts/{rollout.id}")
        if has_shared_scope(make_target(key)) and not form.is_ticked("confirmed"):
            return _ask(context, document, parts, form)
        await set_parts(context.office, key, form.text("revision"), parts)
    except Problem as exc:
        return await _render(context, document, problem=exc, form=form)
    return context.redirect(f"{DESIRED}/{key}", notice=message("It is set. The shops that are connected get it now."))


def _ask(context: OfficeContext, document: DesiredDocument, parts: Mapping[str, Any], form: Form) -> web.StreamResponse:
    """Ask before many shops get settings at once: say how many there are, and what changes."""
    mark_unchanged(context.request)
    present, target = list_parts(document.document), make_target(document.key)
    kind, _, name = document.key.partition(".")
    return context.render(
        "desired_confirm.html",
        key=document.key,
        group=name if kind == "group" else "",
        count=sum(belongs_to(target, one) for one in context.view.shops),
        changes=[
            (SETTING_TEXTS[name].label, name, write_value(present.get(setting_part(name))), form.text(name))
            for name in PUSHABLE
            if setting_part(name) in parts
        ],
        fields={**{name: form.text(name) for name in ("revision", *PUSHABLE)}, **WaveForm.of(form).values},
    )


def _make_title(parts: Mapping[str, Any]) -> str:
    return ", ".join(f"{part.partition('.')[2]}={write_value(value)}" for part, value in parts.items())


def _read_changes(document: DesiredDocument, form: Form) -> dict[str, Any]:
    """Return the parts that a form changes. Raises `InvalidRequest`, which names each setting that is wrong."""
    present = list_parts(document.document)
    parts: dict[str, Any] = {}
    faults: list[FieldError] = []
    for name in PUSHABLE:
        text, part = form.text(name), setting_part(name)
        if text == write_value(present.get(part)):
            continue
        try:
            parts[part] = parse_setting(name, text) if text else None
        except InvalidRequest as exc:
            faults.extend(exc.field_errors)
    if faults:
        raise InvalidRequest(faults)
    return parts


async def _render(
    context: OfficeContext, document: DesiredDocument, *, problem: Problem | None = None, form: Form | None = None
) -> web.Response:
    present = list_parts(document.document)
    errors = {one.parameter: one.reason for one in problem.field_errors} if isinstance(problem, InvalidRequest) else {}
    sections = await list_sections(
        DesiredBucket(context.office),
        context.view.shops,
        document,
        typed=None if form is None else {name: form.text(name) for name in PUSHABLE},
        errors=errors,
    )
    kind, _, name = document.key.partition(".")
    others = {
        part: value.get("name", "") if isinstance(value, dict) else value
        for part, value in present.items()
        if find_part_kind(part) != SETTINGS
    }
    return context.render(
        "desired.html",
        status=200 if problem is None else problem.status,
        key=document.key,
        revision=document.revision,
        sections=sections,
        others=others,
        shop=name if kind == "shop" else "",
        group=name if kind == "group" else "",
        problem=problem,
        desired_texts=DESIRED_OUTCOMES,
        **(WaveForm() if form is None else WaveForm.of(form)).values,
    )


PAGES: Final = (
    OfficePage("GET", "desired", show_desired_list, "view"),
    OfficePage("GET", "desired/shop", open_shop, "view", shows="data"),
    OfficePage("GET", "desired/{key}", show_desired, "view"),
    OfficePage("POST", "desired/{key}", change_desired, "operate", does=message("Change what is wanted of shops")),
)
