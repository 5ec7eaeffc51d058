"""Conditional requests (RFC 9110, section 13): a poller that has the present state gets 304 and no body."""

import hashlib
from collections.abc import Collection
from typing import Any

from aiohttp import web

from gateway.protocol import json_text


def add_entity_tag(request: web.Request, response: web.StreamResponse, ignored: Collection[str]) -> web.StreamResponse:
    """Return a response with an `ETag`, or 304 if that is the one that the caller has (`If-None-Match`).

    `ignored` are members of the JSON document that change without news, such as ages. A tag that leaves any out is
    weak: two responses with it mean the same, and need not be the same bytes. A response that is no success stays as
    it is.
    """
    if not isinstance(response, web.Response) or response.status != 200 or not isinstance(response.body, bytes):
        return response
    content = response.body
    if ignored:
        content = json_text.dumps(_leave_out(json_text.loads(content), frozenset(ignored))).encode()
    tag = hashlib.sha256(content).hexdigest()[:32]
    response.headers["ETag"] = f'W/"{tag}"' if ignored else f'"{tag}"'
    response.headers.setdefault("Cache-Control", "private, no-cache")  # kept, but never used without asking
    if not _has_tag(request, tag):
        return response
    kept = {name: response.headers[name] for name in ("ETag", "Cache-Control", "Vary") if name in response.headers}
    return web.Response(status=304, headers=kept)


def _has_tag(request: web.Request, tag: str) -> bool:
    """Tell whether the caller has this state. The comparison is the weak one, as the RFC demands here."""
    return any(known.value in (tag, "*") for known in request.if_none_match or ())


def _leave_out(document: Any, ignored: Collection[str]) -> Any:
    if isinstance(document, dict):
        return {name: _leave_out(value, ignored) for name, value in document.items() if name not in ignored}
    if isinstance(document, list):
        return [_leave_out(one, ignored) for one in document]
    return document
