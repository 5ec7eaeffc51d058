"""The page that enrols a shop, and shows its join code once."""

from typing import Any, Final

from aiohttp import web

from firmware_tools.language import message
from gateway.console.form import Form
from gateway.errors import Problem
from gateway.office.enrolment import VALID_DAYS, Enrolment
from gateway.office_site.site import OfficeContext, OfficePage
from gateway.office_site.wave_form import list_typed


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
        code = await Enrolment(context.office).enrol(
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
    typed = list_typed(form, "shop", "title", "groups", "days", "again")
    status = 200 if values["problem"] is None else values["problem"].status
    return context.render("enrol.html", status=status, typed=typed, valid_days=VALID_DAYS, **values)


PAGES: Final = (
    OfficePage("GET", "enrol", show_enrol, "admin"),
    OfficePage("POST", "enrol", enrol, "admin", does=message("Enrol a shop")),
)
