"""Makes HTML from templates, in the language of the person."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import jinja2

from firmware_tools.language import Language
from gateway import __version__
from gateway.console.static_files import StaticFiles, load_static_files
from gateway.runtime.templates import load_templates

_LABELS: Final = {Language.ENGLISH: "English", Language.CHINESE: "中文"}
"""What the languages call themselves."""


class Renderer:
    """Renders templates. Every value is escaped: names of networks and cameras come from strangers."""

    def __init__(self, static_files: StaticFiles, folders: Sequence[Path] = ()) -> None:
        """Take the static files, to which pages refer by their content.

        Templates are looked for in `folders` first, then among those of the console.
        """
        self._environments = {language: _make_environment(language, static_files, folders) for language in Language}

    def render(self, template: str, language: Language, values: Mapping[str, Any]) -> str:
        """Return the HTML of a template."""
        return self._environments[language].get_template(template).render(values)


@functools.cache
def load_renderer(*folders: Path) -> Renderer:
    """Return what renders templates of these folders and of the console; sites share the compiled ones."""
    return Renderer(load_static_files(*(folder.with_name("static") for folder in folders)), folders)


def _make_environment(language: Language, static_files: StaticFiles, folders: Sequence[Path]) -> jinja2.Environment:
    environment = load_templates((*folders, Path(__file__).with_name("templates")), language)
    environment.globals["static"] = static_files.url
    environment.globals["version"] = __version__
    environment.globals["languages"] = _LABELS
    return environment
