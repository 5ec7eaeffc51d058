"""The texts of the OpenAPI document as HTML: paragraphs, lists with dashes, and code in backticks."""

import re
from collections.abc import Iterator
from typing import Final

from markupsafe import Markup, escape

_CODE: Final = re.compile(r"`([^`]+)`")


def format_text(text: str) -> Markup:
    """Return a text as paragraphs and lists."""
    return Markup().join(_format_blocks(text))


def format_line(text: str) -> Markup:
    """Return a text without paragraphs, with its code marked."""
    parts = _CODE.split(text)
    formatted = [Markup("<code>{}</code>").format(part) if odd % 2 else escape(part) for odd, part in enumerate(parts)]
    return Markup().join(formatted)


def _format_blocks(text: str) -> Iterator[Markup]:
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = block.splitlines()
        if lines and all(line.startswith("- ") for line in lines):
            items = [Markup("<li>{}</li>").format(format_line(line.removeprefix("- "))) for line in lines]
            yield Markup("<ul>{}</ul>").format(Markup().join(items))
        elif block:
            yield Markup("<p>{}</p>").format(format_line(" ".join(lines)))
