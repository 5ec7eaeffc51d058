"""What the commands say: messages and progress on stderr, one JSON document on stdout."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from firmware_tools.errors import InputRefused


class Console:
    """Where a command's words go. With `as_json`, stdout carries one JSON document and nothing else."""

    def __init__(self, *, as_json: bool, may_ask: bool) -> None:
        self._as_json = as_json
        self._may_ask = may_ask

    def say(self, text: str) -> None:
        """Tell a person something."""
        click.echo(text, err=True)

    def warn(self, text: str) -> None:
        """Tell a person something to mind."""
        click.echo(f"note: {text}", err=True)

    def finish(self, document: dict[str, Any], text: str) -> None:
        """Give the command's result: the document as JSON, or else the text."""
        click.echo(json.dumps(document, indent=2, ensure_ascii=False) if self._as_json else text)

    def finish_badly(self, document: dict[str, Any]) -> None:
        """Give the result of a command that fails: the document as JSON; the reason follows on stderr."""
        if self._as_json:
            self.finish(document, "")

    def ask(self, question: str) -> str:
        """Ask and return the answer; raise `InputRefused` naming the question where nothing may be asked."""
        if not self._may_ask:
            raise InputRefused(f"--no-input: this would have been asked: {question}")
        answer: str = click.prompt(question, default="", show_default=False, err=True)
        return answer.strip()

    @contextmanager
    def phase(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show a bar with speed and remaining time, if stderr is a terminal."""
        if not sys.stderr.isatty():
            yield lambda _: None
            return
        # Imported late: it costs more than many a whole command.
        from rich.console import Console as Terminal
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
        )
        with Progress(*columns, TimeRemainingColumn(), console=Terminal(stderr=True)) as bar:
            task = bar.add_task(title, total=total)
            yield lambda done: bar.advance(task, done)
