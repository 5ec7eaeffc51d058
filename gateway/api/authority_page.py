"""The page that explains how to make a device trust the gateway's HTTPS. It loads nothing from elsewhere."""

import textwrap
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from string import Template
from typing import Any
from urllib.parse import urlsplit


def render(authority: Mapping[str, Any]) -> str:
    """Return the page as HTML. `authority` is what `GET /api/v1/authority` returns."""
    import segno  # here, since it takes memory and the page is rarely needed

    template = Template(files("gateway.api").joinpath("authority.html").read_text(encoding="utf-8"))
    return template.substitute(
        name=escape(authority["name"]),
        fingerprint=format_fingerprint(authority["certificate_sha256"]),
        port=urlsplit(authority["urls"][0]).port or 443,
        links="".join(f'<li><a href="{escape(url)}">{escape(url)}</a></li>' for url in authority["urls"]),
        page=escape(authority["page"]),
        qr=segno.make(authority["page"], error="m", micro=False).svg_inline(scale=6, border=4),
    )


def format_fingerprint(digits: str) -> str:
    """Return a SHA-256 fingerprint as systems show it: pairs of upper-case digits, in two lines."""
    pairs = textwrap.wrap(digits.upper(), 2)
    return ":".join(pairs[:16]) + ":\n" + ":".join(pairs[16:])
