"""Templates of pages: every value is escaped, and texts are in the language of the reader."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_tools.language import Language, load_catalogue, translate

if TYPE_CHECKING:  # imported only where pages are made: it takes memory
    from jinja2 import Environment


def load_templates(folders: Path | Sequence[Path], language: Language) -> "Environment":
    """Return the templates of a folder, or of the first one that has it, for a language.

    A value that is missing is an error, not an empty text.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    templates = Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        auto_reload=False,
    )
    templates.install_gettext_translations(load_catalogue(language), newstyle=True)  # type: ignore[attr-defined]
    templates.filters["translate"] = lambda text: translate(text, language)
    return templates
