"""The page that enrols a shop, and shows its join code once."""

import re
from typing import Any, Final

from aiohttp import web

from firmware_tools.language import message
from gateway.console.form import Form
from gateway.errors import FieldError, InvalidRequest, Problem
from gateway.fleet.join_code import JoinCode
from gateway.fleet.subjects import SHOP_NAME
from gateway.office.enrolment import VALID_DAYS, Enrolment
from gateway.office.office import Office
from gateway.office_site.site import OfficeContext, OfficePage
from gateway.office_site.wave_form import list_typed

MAX_DAYS: Final = 365
MAX_TITLE_LENGTH: Final = 200
MAX_GROUPS: Final = 20
_NAME: Final = re.compile(SHOP_NAME)


async def enrol_shop(
    office: Office, shop: str, *, title: str | None, groups: list[str] | None, valid_days: int, again: bool
) -> JoinCode:
    """Enrol a shop and return its join code. Raises `InvalidRequest`, which names the field, and `Conflict`."""
    faults = []
    name = message("must be 1 to 64 letters, digits, - and _")
    if not _NAME.fullmatch(shop):
        faults.append(FieldError("shop", name))
    if groups is not None and (len(groups) > MAX_GROUPS or not all(map(_NAME.fullmatch, groups))):
        faults.append(
            FieldError("groups", message("must be at most {count} names: {what}", count=MAX_GROUPS, what=name))
        )
    if title is not None and (len(title) > MAX_TITLE_LENGTH or not title.isprintable()):
        reason = message("must be at most {count} printable characters", count=MAX_TITLE_LENGTH)
        faults.append(FieldError("title", reason))
    if not 1 <= valid_days <= MAX_DAYS:
        faults.append(FieldError("valid_days", message("must be from 1 to {count}", count=MAX_DAYS)))
    if faults:
        raise InvalidRequest(faults)
    return await Enrolment(office).enrol(shop, title=title, groups=groups, valid_days=valid_days, again=again)


async def show_enrol(context: OfficeContext) -> web.StreamResponse:
    """Show the form."""
    return _render(context)


async def enrol(context: OfficeContext) -> web.StreamResponse:
    """Enrol a shop, and show its join code."""
    import segno  # here, since it takes memory and is rarely needed

    form = await context.read_form()
    days = form.text("days")
    groups = [one.strip() for one in form.text("groups").split(",") if one.strip()]
    again = form.is_ticked("again")
    try:
        code = await enrol_shop(
            context.office,
            form.text("shop"),
            title=form.text("title") or (None if again else ""),
            groups=groups or (None if again else []),
            valid_days=int(days) if days.isascii() and days.isdigit() and len(days) < 4 else 0,
            again=again,
        )
    except Problem as exc:
        return _render(context, form=form, problem=exc)
    await context.view.shops.refresh()
    picture = segno.make(str(code), error="m", micro=False)
    return _render(context, form=form, code=code, qr=picture.svg_data_uri(scale=5, border=4, light="white"))


def _render(context: OfficeContext, form: Form | None = None, **made: Any) -> web.Response:
    values = {"code": None, "qr": "", "problem": None} | made
    typed = {"days": str(VALID_DAYS), **list_typed(form, "shop", "title", "groups")}
    status = 200 if values["problem"] is None else values["problem"].status
    return context.render("enrol.html", status=status, typed=typed, **values)


PAGES: Final = (
    OfficePage("GET", "enrol", show_enrol, "admin"),
    OfficePage("POST", "enrol", enrol, "admin", does=message("Enrol a shop")),
)
