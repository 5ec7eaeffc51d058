"""Pages to print, which some calls return to who accepts HTML, beside JSON."""

from typing import Final

from aiohttp import hdrs, web

HTML: Final = "text/html"


def accepts_html(request: web.Request) -> bool:
    """Tell whether a page is preferred: HTML is named, and JSON is not named before it."""
    types = [one.partition(";")[0].strip().lower() for one in request.headers.get(hdrs.ACCEPT, "").split(",")]
    return next((one for one in types if one in (HTML, "application/json")), "") == HTML
