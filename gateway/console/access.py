"""Who may use the gateway: pairing codes for people, tokens for programs, and their end."""

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from firmware_tools.language import Message, message
from gateway.access.pairing import VALID_S
from gateway.access.scopes import list_scopes
from gateway.access.token_table import MAX_NAME_LENGTH, TokenRecord
from gateway.api.addresses import find_console_urls, find_sign_in_urls
from gateway.api.changes import name_object
from gateway.console.form import Form
from gateway.console.page import ConsolePage, PageContext
from gateway.console.shop import ACCESS, TABS
from gateway.console.shown_access import GivenAccess, ShownAccess, ShownCode
from gateway.console.site_page import SIGN_IN
from gateway.errors import FieldError, InvalidRequest, Problem
from gateway.protocol.endpoint import Scope
from gateway.runtime.timestamps import utc_text

SCOPE_TEXTS: Final[Mapping[Scope, tuple[Message, Message]]] = {
    "pos": (
        message("Till"),
        message("reads what the gateway knows, and hands over orders, products and shelf labels"),
    ),
    "media": (message("Pictures"), message("sees live pictures, recordings and snapshots")),
    "people": (message("Faces"), message("enters and removes faces and their pictures")),
    "installer": (message("Installer"), message("sets up cameras; includes till and pictures")),
    "admin": (message("Administrator"), message("may do everything, also give access to others")),
}
"""What each scope is called, and what its holder may do."""
_MAX_SESSION_NAME_LENGTH: Final = MAX_NAME_LENGTH - 16
"""A number may be added to the name of a session."""
_NAME_PROBLEM: Final = message("must be at most {count} printable characters", count=_MAX_SESSION_NAME_LENGTH)


async def show_access(context: PageContext) -> web.StreamResponse:
    """List who may use the gateway, and offer to let others in."""
    return _render(context)


async def create_pairing_code(context: PageContext) -> web.StreamResponse:
    """Make a code that opens a session, and show it."""
    form = await context.read_form()
    name = form.text("name") or "phone"
    try:
        scopes = _read_scopes(form)
        if len(name) > _MAX_SESSION_NAME_LENGTH or not name.isprintable():
            raise InvalidRequest([FieldError("name", _NAME_PROBLEM)])
    except Problem as exc:
        return _render(context, pairing_problem=exc, pairing_given=_read_given(form))
    name_object(context.request, name)
    code = context.gateway.pairing.create(name, scopes)
    address = find_sign_in_urls(context.gateway, code.code)[0]
    shown = ShownCode.draw(code.readable, address, find_console_urls(context.gateway))
    return _render(context, code=shown)


async def create_token(context: PageContext) -> web.StreamResponse:
    """Make a token. Only this page shows it."""
    form = await context.read_form()
    try:
        token = await context.gateway.tokens.create(form.text("name"), *_read_scopes(form))
    except Problem as exc:
        return _render(context, token_problem=exc, token_given=_read_given(form))
    name_object(context.request, form.text("name"))
    return _render(context, token=token, token_name=form.text("name"))


async def revoke(context: PageContext) -> web.StreamResponse:
    """End a session, or revoke a token, at once."""
    name = (await context.read_form()).raw_text("name")
    await context.gateway.tokens.revoke(name)
    name_object(context.request, name)
    if name == context.name:
        return context.redirect(SIGN_IN)
    return context.redirect(ACCESS, notice=message("{name} has no access any more.", name=name))


def _read_scopes(form: Form) -> list[Scope]:
    scopes = list_scopes(form.texts("scopes"))  # type: ignore[arg-type]
    if not scopes:
        raise InvalidRequest([FieldError("scopes", message("tick what its holder may do"))])
    return scopes


def _read_given(form: Form) -> GivenAccess:
    return GivenAccess(form.text("name"), form.texts("scopes"))


def _render(context: PageContext, **made: Any) -> web.Response:
    values: dict[str, Any] = {
        "code": None, "token": "", "token_name": "", "pairing_problem": None, "token_problem": None,
    }  # fmt: skip
    values |= {"pairing_given": GivenAccess("", ["installer"]), "token_given": GivenAccess("", ["pos"])} | made
    problem = values["pairing_problem"] or values["token_problem"]
    records = context.gateway.tokens.all()
    return context.render(
        "shop_access.html",
        status=200 if problem is None else problem.status,
        path=ACCESS,  # also where the form went to another address
        tabs=TABS,
        sessions=[_describe(context, one) for one in records if one.is_session],
        tokens=[_describe(context, one) for one in records if not one.is_session],
        scope_texts=SCOPE_TEXTS,
        valid_minutes=int(VALID_S / 60),
        max_name_length=MAX_NAME_LENGTH,
        **values,
    )


def _describe(context: PageContext, record: TokenRecord) -> ShownAccess:
    used_at = "" if record.last_used_at is None else utc_text(record.last_used_at)
    is_own = record.name == context.name
    return ShownAccess(record.name, list_scopes(record.granted), is_own, utc_text(record.created_at), used_at)


PAGES = (
    ConsolePage("GET", "shop", show_access, "installer"),
    ConsolePage(
        "POST",
        "shop/pairing",
        create_pairing_code,
        "admin",
        does=message("Make a code that opens a session at the console"),
    ),
    ConsolePage("POST", "shop/tokens", create_token, "admin", does=message("Make a token")),
    ConsolePage("POST", "shop/revoke", revoke, "admin", does=message("Revoke a token")),
)
