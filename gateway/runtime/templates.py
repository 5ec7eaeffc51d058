"""Templates of pages: every value is escaped, and texts are in the language of the reader."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from firmware_tools.language import Language, load_catalogue, translate

if TYPE_CHECKING:  # imported only where pages are made: it takes memory
    from jinja2 import Environment

_BLANK_AFTER_COLON: Final = re.compile(r"""(\{\{ _\((?:"[^"]*:"|'[^']*:')[^{}]*\) \}\}) +""")
"""A blank of a template behind a text that ends with a colon."""


def load_templates(folders: Path | Sequence[Path], language: Language) -> "Environment":
    """Return the templates of a folder, or of the first one that has it, for a language.

    A value that is missing is an error, not an empty text.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from jinja2.ext import Extension

    class NoBlankAfterColon(Extension):
        """The colon of Chinese is as wide as a character, and no blank follows it."""

        def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
            """Return the source of a template without these blanks."""
            return _BLANK_AFTER_COLON.sub(r"\1", source)

    own = [NoBlankAfterColon] if language is Language.CHINESE else []
    templates = Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        extensions=["jinja2.ext.i18n", *own],
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        auto_reload=False,
    )
    templates.install_gettext_translations(load_catalogue(language), newstyle=True)  # type: ignore[attr-defined]
    templates.filters["translate"] = lambda text: translate(text, language)
    return templates
