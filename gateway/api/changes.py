"""Records in the audit log what a request changed: one place for all routes and all pages."""

from typing import Final

from aiohttp import web

from gateway.app import Gateway
from gateway.audit.change import NewChange, Via

_OBJECT: Final = web.RequestKey("change_object", str)
_UNDONE: Final = web.RequestKey("change_undone", bool)


def name_object(request: web.Request, text: str) -> None:
    """Say what a request changes, where its path does not say it. Never a secret."""
    request[_OBJECT] = text


def mark_unchanged(request: web.Request) -> None:
    """Say that a request changed nothing, though its response is no problem."""
    request[_UNDONE] = True


async def record_change(
    gateway: Gateway,
    request: web.Request,
    response: web.StreamResponse,
    *,
    who: str,
    via: Via,
    action: str,
    only_named: bool = False,
) -> None:
    """Record what a request changed, if it succeeded; with `only_named`, if the handler said what it changes."""
    if response.status >= 400 or _UNDONE in request or (only_named and _OBJECT not in request):
        return
    named = request.get(_OBJECT) or ", ".join(request.match_info.values())
    await gateway.audit.add(NewChange(who, via, action, named))
