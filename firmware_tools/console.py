"""Output of the commands: messages and progress on stderr, the result on stdout."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from firmware_tools.card import CardSpec
from firmware_tools.command_language import command_language, localize
from firmware_tools.errors import InvalidInput
from firmware_tools.language import message
from firmware_tools.procedure import describe_procedure, format_procedure


class Console:
    """The terminal of a command. With `as_json`, stdout carries one JSON document and nothing else."""

    def __init__(self, *, as_json: bool, may_ask: bool) -> None:
        self._as_json = as_json
        self._may_ask = may_ask

    def print_message(self, text: str) -> None:
        """Print a message on stderr."""
        click.echo(localize(text), err=True)

    def print_note(self, text: str) -> None:
        """Print a note or warning on stderr."""
        click.echo(localize(message("note: {text}", text=text)), err=True)

    def print_procedure(self, spec: CardSpec, *, image: str | None = None) -> list[str]:
        """Print on stderr what to do with a finished card, in the language of the terminal; return the steps."""
        language = command_language()
        steps = describe_procedure(spec, language, image=image)
        self.print_message(format_procedure(steps, language))
        return steps

    def print_result(self, document: dict[str, Any], text: str) -> None:
        """Print the result of a command: the document as JSON in UTF-8, or else the text."""
        click.echo(json.dumps(document, indent=2, ensure_ascii=False).encode() if self._as_json else localize(text))

    def print_failed_result(self, document: dict[str, Any]) -> None:
        """Print the result of a command that fails, as JSON only: the exception raised next is the text."""
        if self._as_json:
            self.print_result(document, "")

    def ask(self, question: str) -> str:
        """Ask a question and return the reply; raise `InvalidInput` naming the question if asking is not allowed."""
        if not self._may_ask:
            raise InvalidInput(message("--no-input: this would have been asked: {question}", question=question))
        reply: str = click.prompt(localize(question), default="", show_default=False, err=True)
        return reply.strip()

    @contextmanager
    def phase(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show a progress bar with speed and remaining time, if stderr is a terminal."""
        if not sys.stderr.isatty():
            yield lambda _: None
            return
        # Imported late: loading `rich` takes longer than many commands.
        from rich.console import Console as RichConsole
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            ProgressColumn,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        columns: tuple[ProgressColumn, ...] = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=RichConsole(stderr=True)) as bar:
            task = bar.add_task(localize(title), total=total)
            yield lambda done: bar.advance(task, done)
