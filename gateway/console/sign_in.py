"""Sign-in by a pairing code, sign-out, and the choice of a language."""

from typing import Any, Final

from aiohttp import web

from firmware_tools.language import Language
from gateway.api.problems import problem_headers
from gateway.console.site_page import HOME, LANGUAGE_COOKIE, SIGN_IN, SiteContext
from gateway.errors import InvalidRequest, Problem

_COOKIE_PATH: Final = "/console"
_COOKIE_AGE_S: Final = 400 * 86400
"""Browsers keep no cookie for longer. The session itself ends earlier."""


async def show_sign_in(context: SiteContext[Any, Any]) -> web.StreamResponse:
    """Ask for a pairing code."""
    destination = _find_destination(context.request.query.get("next", ""))
    return context.render("sign_in.html", next=destination, code="", reason="")


async def sign_in(context: SiteContext[Any, Any]) -> web.StreamResponse:
    """Exchange a pairing code for a session."""
    form = await context.read_form()
    destination, code = _find_destination(form.text("next")), form.text("code")
    try:
        secret = await context.site.open_session(code, context.request.remote or "")
    except Problem as exc:
        reason = exc.field_errors[0].reason if isinstance(exc, InvalidRequest) else exc.detail
        response = context.render("sign_in.html", status=exc.status, next=destination, code=code[:20], reason=reason)
        response.headers.update(problem_headers(exc))
        return response
    response = context.redirect(destination)
    response.set_cookie(
        context.site.name_cookie(secure=context.request.secure),
        secret,
        path=_COOKIE_PATH,
        max_age=_COOKIE_AGE_S,
        httponly=True,
        secure=context.request.secure,
        samesite="Strict",
    )
    return response


async def sign_out(context: SiteContext[Any, Any]) -> web.StreamResponse:
    """End the session."""
    await context.site.end_session(context.name)
    context.site.notices.take(context.csrf)
    response = context.redirect(SIGN_IN)
    response.del_cookie(context.site.name_cookie(secure=context.request.secure), path=_COOKIE_PATH)
    return response


async def choose_language(context: SiteContext[Any, Any]) -> web.StreamResponse:
    """Remember the language of this browser."""
    chosen = context.request.query.get("to", "")
    response = context.redirect(_find_destination(context.request.query.get("next", "")))
    if chosen in {one.value for one in Language}:
        response.set_cookie(LANGUAGE_COOKIE, chosen, path=_COOKIE_PATH, max_age=_COOKIE_AGE_S, samesite="Lax")
    return response


def _find_destination(given: str) -> str:
    """Return where to go: a page of the console, whatever a link says."""
    is_page = given.startswith("/console/") and "\\" not in given and given.isprintable() and ".." not in given
    return given if is_page else HOME
