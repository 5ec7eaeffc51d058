"""The page of who may use the head office: pairing codes for people, tokens for programs, and their end."""

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from firmware_tools.language import Message, message
from gateway.access.pairing import VALID_S
from gateway.console.form import Form
from gateway.console.shown_access import GivenAccess, ShownAccess, ShownCode
from gateway.console.site_page import SIGN_IN
from gateway.errors import FieldError, InvalidRequest, Problem
from gateway.office.audit import record_change
from gateway.office_site.access import SCOPES, AccessRecord, OfficeScope
from gateway.office_site.site import OfficeContext, OfficePage

ACCESS: Final = "/console/access"
MAX_NAME_LENGTH: Final = 48
SCOPE_TEXTS: Final[Mapping[OfficeScope, tuple[Message, Message]]] = {
    "view": (message("Viewer"), message("sees the shops, their events and numbers")),
    "operate": (message("Operator"), message("also sets settings, rolls out, pushes files and gives commands")),
    "admin": (message("Administrator"), message("also enrols and retires shops, and gives access to others")),
}
"""What each scope is called, and what its holder may do."""


async def show_access(context: OfficeContext) -> web.StreamResponse:
    """List who may use the head office, and offer to let others in."""
    return _render(context)


async def create_pairing_code(context: OfficeContext) -> web.StreamResponse:
    """Make a code that opens a session, and show it."""
    form = await context.read_form()
    name = form.text("name") or "browser"
    try:
        scope = _read_scope(form)
        if len(name) > MAX_NAME_LENGTH or not name.isprintable():
            reason = message("must be at most {count} printable characters", count=MAX_NAME_LENGTH)
            raise InvalidRequest([FieldError("name", reason)])
    except Problem as exc:
        return _render(context, pairing_problem=exc, pairing_given=_read_given(form))
    code = context.site.pairing.create(name, [scope])
    address = f"{context.site.urls[0]}{SIGN_IN}#code={code.code}"
    return _render(context, code=ShownCode.draw(code.readable, address, context.site.urls))


async def create_token(context: OfficeContext) -> web.StreamResponse:
    """Make a token. Only this page shows it."""
    form = await context.read_form()
    try:
        token = await context.view.access.create_token(form.text("name"), _read_scope(form))
    except Problem as exc:
        return _render(context, token_problem=exc, token_given=_read_given(form))
    await record_change(context.office, "token_create", form.text("name"), scope=form.text("scope"))
    return _render(context, token=token, token_name=form.text("name"))


async def revoke(context: OfficeContext) -> web.StreamResponse:
    """End a session, or revoke a token, at once."""
    name = (await context.read_form()).raw_text("name")
    await context.view.access.revoke(name)
    await record_change(context.office, "access_revoke", name)
    if name == context.name:
        return context.redirect(SIGN_IN)
    return context.redirect(ACCESS, notice=message("{name} has no access any more.", name=name))


def _read_scope(form: Form) -> OfficeScope:
    for scope in SCOPES:
        if scope == form.text("scope"):
            return scope
    raise InvalidRequest([FieldError("scope", message("choose what its holder may do"))])


def _read_given(form: Form) -> GivenAccess:
    return GivenAccess(form.text("name"), form.texts("scope"))


def _render(context: OfficeContext, **made: Any) -> web.Response:
    values: dict[str, Any] = {
        "code": None, "token": "", "token_name": "", "pairing_problem": None, "token_problem": None,
    }  # fmt: skip
    values |= dict.fromkeys(("pairing_given", "token_given"), GivenAccess("", ["view"])) | made
    problem: Any = values["pairing_problem"] or values["token_problem"]
    records = context.view.access.all()
    return context.render(
        "access.html",
        status=200 if problem is None else problem.status,
        sessions=[_describe(context, one) for one in records if one.kind == "session"],
        tokens=[_describe(context, one) for one in records if one.kind == "token"],
        scope_texts=SCOPE_TEXTS,
        valid_minutes=int(VALID_S / 60),
        **values,
    )


def _describe(context: OfficeContext, record: AccessRecord) -> ShownAccess:
    used_at = "" if record.used_at is None else record.used_at.isoformat()
    is_own = record.name == context.name
    return ShownAccess(record.name, [record.scope], is_own, record.created_at.isoformat(), used_at)


PAGES: Final = (
    OfficePage("GET", "access", show_access, "view"),
    OfficePage(
        "POST", "access/pairing", create_pairing_code, "admin", does=message("Make a code that opens a session")
    ),
    OfficePage("POST", "access/tokens", create_token, "admin", does=message("Make a token")),
    OfficePage("POST", "access/revoke", revoke, "admin", does=message("Revoke a token")),
)
