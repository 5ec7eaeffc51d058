"""What every command shares: the settings, how to print, and how to fail."""

import asyncio
import functools
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, NoReturn, ParamSpec

import click

from gateway.cli.client import ApiClient, ApiError, connect_api
from gateway.errors import GatewayError
from gateway.protocol import json_text
from gateway.settings import Settings, find_settings_file, load_settings

P = ParamSpec("P")


@dataclass
class CommandContext:
    """One run of the command: which settings file, whether to print JSON, whether a person may be asked."""

    config: str | None
    json: bool
    no_input: bool

    def settings(self) -> Settings:
        """Read the settings. Raises `SettingsError`."""
        return load_settings(find_settings_file(self.config))

    def emit(self, document: Any, render: Callable[[Any], object]) -> None:
        """Print a result: as one JSON document, or as `render` shows it to a person."""
        if self.json:
            click.echo(json_text.dumps(document))
        else:
            render(document)

    @property
    def can_prompt(self) -> bool:
        """Whether a person may be asked."""
        return not self.no_input and sys.stdin.isatty()

    def ask(self, question: str) -> None:
        """Wait until a person has done something. Fails, naming it, where nobody may be asked."""
        if not self.can_prompt:
            fail(f"a person is needed: {question}")
        click.echo(question, err=True)
        click.prompt("Press Enter", default="", show_default=False, err=True)


def fail(reason: str) -> NoReturn:
    """End the command with the reason in one line on standard error, and status 1."""
    click.echo(f"sunmi-gateway: {' '.join(reason.split())}", err=True)
    sys.exit(1)


def write_file(file: Path, text: str) -> None:
    """Write a result to a file, or fail naming it."""
    try:
        file.write_text(text + "\n", encoding="utf-8")
    except OSError as exc:
        fail(f"{file} cannot be written: {exc.strerror}")


def with_api(
    command: Callable[Concatenate[CommandContext, ApiClient, P], Coroutine[Any, Any, None]],
) -> Callable[P, None]:
    """Turn a coroutine that takes the context and an API client into a function for click."""

    @functools.wraps(command)
    @click.pass_context
    def run(click_context: click.Context, /, *args: P.args, **kwargs: P.kwargs) -> None:
        context: CommandContext = click_context.obj

        async def work() -> None:
            async with connect_api(context.settings()) as api:
                await command(context, api, *args, **kwargs)

        run_command(context, work())

    return run


def run_command(context: CommandContext, work: Coroutine[Any, Any, None]) -> None:
    """Run a command's work to its end, wording every failure."""
    try:
        asyncio.run(work)
    except ApiError as exc:
        if context.json:
            click.echo(json_text.dumps(exc.document))
        fail(str(exc))
    except GatewayError as exc:
        fail(str(exc))
    except KeyboardInterrupt:
        fail("interrupted")
