"""The templates of shelf labels: what each draws, and those of the shop uploaded, downloaded and deleted."""

import asyncio
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import PurePath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from aiohttp import web

from firmware_tools.language import Language, Message, message
from gateway.api.changes import name_object
from gateway.console.label_form import describe_choice, find_products
from gateway.console.label_texts import LABELS
from gateway.console.page import ConsolePage, PageContext
from gateway.errors import Conflict, FieldError, InvalidRequest, Problem
from gateway.labels.models import LABEL_MODELS, LabelModel
from gateway.labels.picture import DrawingReport
from gateway.labels.template import PictureTemplate
from gateway.labels.template_folder import TemplateFolder

if TYPE_CHECKING:  # imported only where labels are drawn: it takes memory
    from gateway.labels.updater import LabelUpdater

TEMPLATES: Final = f"{LABELS}/templates"
"""The address of the page."""
PAGE_SIZE: Final = 12
_MAX_TEXT: Final = 255
_DEFAULT_MODEL: Final = "SL126"
_NUMBERS: Final = {
    "id": "1001",
    "bar_code": "6921168509256",
    "qr_code": "https://shop.example/p/1001",
    "price": Decimal("12.90"),
    "promote_price": Decimal("9.90"),
    "member_price": Decimal("8.80"),
    "unit_price": Decimal("1.98"),
}
SAMPLES: Final[Mapping[Language, Mapping[str, Any]]] = MappingProxyType(
    {
        Language.ENGLISH: _NUMBERS
        | {
            "name": "Spring water", "name_en": "Spring water", "brand": "Lakeside", "spec": "5 l", "unit": "bottle",
            "level": "A", "area": "Zhejiang", "unit_price_measure": "l", "description": "Keep it cool and dry.",
        },
        Language.CHINESE: _NUMBERS
        | {
            "name": "饮用天然水", "name_en": "Spring water", "brand": "湖畔", "spec": "5 升", "unit": "桶",
            "level": "一级", "area": "浙江", "unit_price_measure": "升", "description": "请置于阴凉干燥处。",
        },
    }
)  # fmt: skip
"""A product that has something for every box, where no product of the lists was chosen."""


@dataclass(frozen=True, slots=True)
class TemplatePreview:
    """A template, and what it draws."""

    template: PictureTemplate
    """The template."""
    origin: Message
    """Where it is from."""
    is_own: bool
    """Whether the shop brought it, so that it can be deleted."""
    picture: str = ""
    """The picture as a `data:` address; empty if it cannot be drawn."""
    reports: Sequence[DrawingReport] = ()
    """What a person should know about the picture."""
    faults: Sequence[FieldError] = ()
    """Why it cannot be drawn."""


async def show_templates(context: PageContext) -> web.StreamResponse:
    """Show what every template draws."""
    return await _show(context)


async def _show(context: PageContext, problem: Problem | None = None, file: str = "") -> web.Response:
    labels, query = context.gateway.labels, context.request.query
    model = LABEL_MODELS.get(query.get("model", ""), LABEL_MODELS[_DEFAULT_MODEL])
    words = query.get("product", "").strip()[:_MAX_TEXT]
    products = await find_products(context.gateway, words)
    fields: Mapping[str, Any] = SAMPLES[context.language]
    if len(products) == 1:
        fields = products[0].wanted or {}
    given = query.get("skip", "")
    skip = int(given) if given.isdecimal() and len(given) < 10 else 0
    templates, refusals = await asyncio.to_thread(labels.templates.load)
    every = [TemplatePreview(one, *_find_origin(labels.templates, one.name)) for one in templates.values()]
    some = sorted(every, key=lambda one: (not one.is_own, one.template.name))[skip : skip + PAGE_SIZE]
    previews = await asyncio.to_thread(lambda: [_draw(labels.updater, one, model, fields) for one in some])
    return context.render(
        "label_templates.html",
        status=200 if problem is None else problem.status,
        previews=previews,
        previous=max(0, skip - PAGE_SIZE) if skip else None,
        following=skip + PAGE_SIZE if skip + PAGE_SIZE < len(every) else None,
        refusals=[fault for refusal in refusals for fault in refusal.field_errors],
        model=model,
        models=LABEL_MODELS.values(),
        words=words,
        product=products[0] if len(products) == 1 else None,
        product_fault=describe_choice(words, products) if words and len(products) != 1 else None,
        problem=problem,
        faults=problem.field_errors if isinstance(problem, InvalidRequest) else (),
        file=file,
    )


def _find_origin(folder: TemplateFolder, name: str) -> tuple[Message, bool]:
    """Return where a template is from, and whether the shop brought it."""
    if folder.is_included(name):
        return message("comes with the gateway"), False
    if folder.is_replacement(name):
        return message("your own, in place of one that comes with the gateway"), True
    return message("your own"), True


def _draw(
    updater: "LabelUpdater", preview: TemplatePreview, model: LabelModel, fields: Mapping[str, Any]
) -> TemplatePreview:
    try:
        picture = updater.drawing.preview(preview.template, model.name, fields)
    except InvalidRequest as exc:
        return replace(preview, faults=exc.field_errors)
    address = f"data:image/png;base64,{b64encode(picture.png).decode()}"
    return replace(preview, picture=address, reports=picture.reports)


async def send_template(context: PageContext) -> web.StreamResponse:
    """Send the file of a template."""
    name = context.request.match_info["template"]
    content = await asyncio.to_thread(context.gateway.labels.templates.read, name)
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}.toml"}
    return web.Response(body=content, content_type="application/toml", headers=headers)


async def receive_template(context: PageContext) -> web.StreamResponse:
    """Check a template and keep it. The labels that are drawn by it are drawn again."""
    form = await context.read_form()
    file = form.files.get("file")
    try:
        if file is None:
            raise InvalidRequest([FieldError("file", message("Choose the file of a template first."))])
        name = PurePath(file.filename.replace("\\", "/")).stem
        labels = context.gateway.labels
        template = await asyncio.to_thread(labels.templates.save, name, file.data)
    except Problem as exc:
        return await _show(context, exc, "" if file is None else file.filename[:_MAX_TEXT])
    await labels.updater.note_template(name)
    name_object(context.request, name)
    text = message("The template {name} was kept. Labels that use it are drawn again.", name=template.name)
    return context.redirect(TEMPLATES, notice=text)


async def delete_template(context: PageContext) -> web.StreamResponse:
    """Delete a template of the shop, unless labels need it."""
    name = context.request.match_info["template"]
    name_object(context.request, name)
    try:
        await context.gateway.labels.updater.delete_template(name)
    except Conflict as exc:
        return context.redirect(TEMPLATES, notice=exc.detail, failed=True)
    return context.redirect(TEMPLATES, notice=message("The template {name} was deleted.", name=name))


PAGES = (
    ConsolePage("GET", "labels/templates", show_templates, "pos"),
    ConsolePage("GET", "labels/templates/{template}/file", send_template, "pos", shows="data"),
    ConsolePage(
        "POST", "labels/templates", receive_template, "installer", does=message("Keep a template of shelf labels")
    ),
    ConsolePage(
        "POST",
        "labels/templates/{template}/delete",
        delete_template,
        "installer",
        does=message("Delete a template of shelf labels"),
    ),
)
