"""The page that tells how a device comes to trust the gateway's HTTPS, on every system; it loads nothing."""

import textwrap
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from string import Template
from typing import Any
from urllib.parse import urlsplit


def page(authority: Mapping[str, Any]) -> str:
    """Return the page for an authority as the REST API describes it."""
    import segno  # here, because the page is seldom asked for, and it takes memory

    template = Template(files("gateway.api").joinpath("authority.html").read_text(encoding="utf-8"))
    return template.substitute(
        name=escape(authority["name"]),
        fingerprint=fingerprint_text(authority["certificate_sha256"]),
        port=urlsplit(authority["urls"][0]).port or 443,
        links="".join(f'<li><a href="{escape(url)}">{escape(url)}</a></li>' for url in authority["urls"]),
        page=escape(authority["page"]),
        qr=segno.make(authority["page"], error="m", micro=False).svg_inline(scale=6, border=4),
    )


def fingerprint_text(digits: str) -> str:
    """Return a fingerprint as systems show it to people: pairs of capitals, in two lines."""
    pairs = textwrap.wrap(digits.upper(), 2)
    return ":".join(pairs[:16]) + ":\n" + ":".join(pairs[16:])
