"""The language of a command: of its help, messages, questions and errors. What it prints as JSON is English."""

import copy
import gettext
import inspect
import os
import unicodedata
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Final, TypeVar

import click

from firmware_tools.language import Language, Message, translate

_CLICK_DOMAIN: Final = "click"
"""The catalogue of the texts of the library `click`."""
_NO_LINE_BEGIN: Final = frozenset("，。；：、！？）】》”…,.;:!?)")
"""Characters with which no line begins."""
_FIRST_SENTENCE_END: Final = "。"

_language: Final[ContextVar[Language]] = ContextVar("command_language", default=Language.ENGLISH)

C = TypeVar("C", bound=click.Command)


def begin_command(*, as_json: bool) -> None:
    """Choose the language of this process: that of the terminal, or English for a command that prints JSON."""
    language = Language.ENGLISH if as_json else Language.from_environment(os.environ)
    _language.set(language)
    if language is not Language.ENGLISH:  # click takes its texts from the process's domain of gettext
        gettext.bindtextdomain(_CLICK_DOMAIN, Path(__file__).parent / "locale")
        gettext.textdomain(_CLICK_DOMAIN)


def command_language() -> Language:
    """Return the language of this process."""
    return _language.get()


def localize(text: str) -> str:
    """Return a message in the language of this process. Another text, as what a camera says, stays as it is."""
    return translate(text, _language.get()) if isinstance(text, Message) else text


def localize_command(command: C) -> C:
    """Return a command, with those below it, whose help is in the language of this process."""
    if _language.get() is Language.ENGLISH:
        return command
    localized = copy.copy(command)
    if command.help:
        localized.help = translate(inspect.cleandoc(command.help), _language.get())
        if localized.help != command.help:
            localized.short_help = localized.help.partition(_FIRST_SENTENCE_END)[0].partition("\n")[0]
    localized.params = [_localize_parameter(parameter) for parameter in command.params]
    localized.context_class = _WideContext
    if isinstance(localized, click.Group):
        localized.commands = {name: localize_command(one) for name, one in localized.commands.items()}
    return localized


def _localize_parameter(parameter: click.Parameter) -> click.Parameter:
    localized = copy.copy(parameter)
    if isinstance(localized, click.Option) and localized.help:
        localized.help = translate(inspect.cleandoc(localized.help), _language.get())
    return localized


class _WideFormatter(click.HelpFormatter):
    """Wraps help as a terminal shows it: a Chinese character takes two columns, and a line may end behind it."""

    def write_text(self, text: str) -> None:
        """Write paragraphs."""
        super().write_text(_wrap_paragraphs(text, self.width - self.current_indent))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write names with their descriptions beside them."""
        listed = [*rows]
        names = min(max((len(name) for name, _ in listed), default=0), col_max) + col_spacing
        width = max(self.width - names - 2, 10)
        super().write_dl([(name, _wrap_paragraphs(text, width)) for name, text in listed], col_max, col_spacing)


class _WideContext(click.Context):
    formatter_class = _WideFormatter


def _wrap_paragraphs(text: str, width: int) -> str:
    """Return a text with its lines wrapped, and marked so that click does not wrap them again."""
    paragraphs = [" ".join(paragraph.split("\n")) for paragraph in text.split("\n\n") if paragraph.strip()]
    return "\n\n".join("\b\n" + "\n".join(_wrap(paragraph, width)) for paragraph in paragraphs)


def _wrap(text: str, width: int) -> Iterator[str]:
    line = ""
    for piece in _split(text):
        if line and _measure(line + piece.rstrip()) > width:
            yield line.rstrip()
            line = ""
        line += piece if line else piece.lstrip()
    if line:
        yield line.rstrip()


def _split(text: str) -> Iterator[str]:
    """Yield the pieces between which a line may end: words, and Chinese characters with the punctuation behind them."""
    piece = ""
    for character in text:
        ends = piece[-1:].isspace() or (piece and (_is_wide(piece[-1]) or _is_wide(character)))
        if ends and not character.isspace() and character not in _NO_LINE_BEGIN:
            yield piece
            piece = ""
        piece += character
    if piece:
        yield piece


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"


def _measure(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(2 if _is_wide(character) else 1 for character in text)
