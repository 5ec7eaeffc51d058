"""The texts of the OpenAPI document as HTML: paragraphs, lists with dashes, and code in backticks."""

import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final

from markupsafe import Markup, escape

_CODE: Final = re.compile(r"`([^`]+)`")
_BLANK_LINE: Final = re.compile(r"\n\s*\n")
_DASH: Final = "- "

Translate = Callable[[str], str]


def list_units(text: str) -> list[str]:
    """Return the parts of a text that are translated by themselves: its paragraphs and the items of its lists."""
    return list(chain.from_iterable(_list_lines(block) for block in _BLANK_LINE.split(text.strip()) if block))


def format_text(text: str, translate: Translate) -> Markup:
    """Return a text as paragraphs and lists."""
    return Markup().join(_format_blocks(text, translate))


def format_line(text: str) -> Markup:
    """Return a text without paragraphs, with its code marked."""
    parts = _CODE.split(text)
    formatted = [Markup("<code>{}</code>").format(part) if odd % 2 else escape(part) for odd, part in enumerate(parts)]
    return Markup().join(formatted)


def _format_blocks(text: str, translate: Translate) -> Iterator[Markup]:
    for block in _BLANK_LINE.split(text.strip()):
        if not block:
            continue
        lines = [format_line(translate(line)) for line in _list_lines(block)]
        if _is_list(block):
            yield Markup("<ul>{}</ul>").format(Markup().join(Markup("<li>{}</li>").format(line) for line in lines))
        else:
            yield Markup("<p>{}</p>").format(lines[0])


def _list_lines(block: str) -> list[str]:
    """Return the items of a block that is a list, or else the whole block as one line."""
    lines = block.splitlines()
    return [line.removeprefix(_DASH) for line in lines] if _is_list(block) else [" ".join(lines)]


def _is_list(block: str) -> bool:
    return all(line.startswith(_DASH) for line in block.splitlines())
