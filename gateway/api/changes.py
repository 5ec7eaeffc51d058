"""Records in the audit log what a request changed: one place for all routes and all pages."""

from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway.audit.change import NewChange, Via

if TYPE_CHECKING:  # the head office serves routes, too, and has no gateway
    from gateway.app import Gateway

_OBJECT: Final = web.RequestKey("change_object", str)
_UNDONE: Final = web.RequestKey("change_undone", bool)


def name_object(request: web.Request, text: str) -> None:
    """Say what a request changes, where its path does not say it. Never a secret."""
    request[_OBJECT] = text


def mark_unchanged(request: web.Request) -> None:
    """Say that a request changed nothing, though its response is no problem."""
    request[_UNDONE] = True


def has_changed(request: web.Request, response: web.StreamResponse) -> bool:
    """Tell whether a request has changed anything, by its response and by what its handler said."""
    return response.status < 400 and _UNDONE not in request


async def record_change(
    gateway: "Gateway",
    request: web.Request,
    response: web.StreamResponse,
    *,
    who: str,
    via: Via,
    action: str,
    only_named: bool = False,
) -> None:
    """Record what a request changed, if it succeeded; with `only_named`, if the handler said what it changes."""
    if not has_changed(request, response) or (only_named and _OBJECT not in request):
        return
    named = request.get(_OBJECT) or ", ".join(request.match_info.values())
    await gateway.audit.add(NewChange(who, via, action, named))
