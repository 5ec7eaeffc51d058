"""What all commands share: their context, the REST API, and how they end."""

import asyncio
import contextlib
import functools
import os
import sys
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, NoReturn, ParamSpec

import click

from firmware_tools.command_language import localize
from firmware_tools.language import describe_error, message
from gateway.changed_settings import load_all_settings
from gateway.cli.client import ApiClient, ApiError, connect_api
from gateway.cli.encoding import make_printable, print_json
from gateway.cli.terminal import read_hidden_line, read_line
from gateway.errors import GatewayError, Problem
from gateway.settings import Settings, find_settings_file

P = ParamSpec("P")


class CommandFailed(SystemExit):
    """A command has failed, and the reason is on standard error."""

    def __init__(self, reason: str) -> None:
        super().__init__(1)
        self.reason = reason
        """Why, in one line."""


@dataclass
class CommandContext:
    """The options that every command has."""

    config: str | None
    """The settings file; None for the default one."""
    json: bool
    """Whether to print one JSON document instead of text."""
    no_input: bool
    """Whether never to prompt."""
    has_answered: bool = False
    """Whether a result was printed: then no failure is."""

    def settings(self, *, sets_aside: bool = False) -> Settings:
        """Read the settings; say so if those changed in the console do not count. Raises `SettingsError`.

        With `sets_aside` their file is renamed if it is not valid.
        """
        loaded = load_all_settings(find_settings_file(self.config), sets_aside=sets_aside)
        if loaded.problem and not sets_aside:
            click.echo(f"sunmi-gateway: {make_printable(localize(loaded.problem))}", err=True)
        return loaded.settings

    def emit(self, document: Any, render: Callable[[Any], object]) -> None:
        """Print a result: as JSON with `--json`, else by `render`. Fails if it cannot be written."""
        self.has_answered = True
        with writing_results():
            if self.json:
                print_json(document)
            else:
                render(document)

    @property
    def can_prompt(self) -> bool:
        """Whether a person can be prompted."""
        return not self.no_input and sys.stdin.isatty()

    async def wait_for_person(self, task: str) -> None:
        """Wait until a person has done a task. Fails if nobody can be prompted."""
        if not self.can_prompt:
            fail(message("a person is needed: {task}", task=task))
        click.echo(localize(task), err=True)
        click.echo(localize(message("Press Enter: ")), nl=False, err=True)
        await _read_line()

    async def confirm(self, question: str) -> bool:
        """Ask a person a question, to be answered with yes or no. Fails if standard input has ended."""
        click.echo(f"{localize(question)} [y/N]: ", nl=False, err=True)
        return (await _read_line()).strip().lower() in ("y", "yes")

    async def read_secret(self, option: str, value: str | None, question: str) -> str | None:
        """Return the secret that an option gives: `-` is a line of standard input, `@FILE` the content of a file.

        A person is prompted for an option that is left out, without showing what is typed. None if nobody can be.
        Raises `click.UsageError` for a file that cannot be read.
        """
        if value is None and not self.can_prompt:
            return None
        if value is None or (value == "-" and self.can_prompt):
            click.echo(f"{localize(question)}: ", nl=False, err=True)
            line = await read_hidden_line()
            click.echo(err=True)
        elif value == "-":
            line = await read_line()
        elif value.startswith("@"):
            return _read_secret_file(option, Path(value[1:]))
        else:
            return value
        if line is None:
            fail(message("{option}: standard input has ended", option=option))
        return line


async def confirm_end(context: CommandContext, warning: str, *, is_given: bool) -> None:
    """Ask before something is ended that cannot be had back, unless its `--yes` was given; end the command if not."""
    if is_given:
        return
    if not context.can_prompt:
        fail(message("{warning} Use --yes to confirm", warning=warning))
    if not await context.confirm(message("{warning} Go on?", warning=warning)):
        fail(message("nothing was changed"))


@contextlib.contextmanager
def writing_results() -> Iterator[None]:
    """Write to standard output in the block. Ends the command with status 1 if that is closed, or cannot be written."""
    try:
        yield
    except OSError as exc:
        with contextlib.suppress(OSError, ValueError):  # else Python tries to write what is left when it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(exc, BrokenPipeError):  # the reader has what it wants
            sys.exit(1)
        fail(message("standard output cannot be written: {reason}", reason=describe_error(exc)))


def fail(reason: str) -> NoReturn:
    """Print the reason in one line to standard error, and exit with status 1."""
    line = make_printable(" ".join(localize(reason).split()))
    click.echo(f"sunmi-gateway: {line}", err=True)
    raise CommandFailed(line)


async def _read_line() -> str:
    """Read a line from the terminal. Fails if standard input has ended."""
    line = await read_line()
    if line is None:
        fail(message("standard input has ended"))
    return line


def _read_secret_file(option: str, file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig").rstrip("\r\n")
    except OSError as exc:
        reason = message("{option}: {file} cannot be read: {reason}", option=option, file=file, reason=exc)
        raise click.UsageError(localize(reason)) from exc
    except UnicodeDecodeError as exc:
        reason = message("{option}: {file} is not text in UTF-8", option=option, file=file)
        raise click.UsageError(localize(reason)) from exc


async def read_list(file: Path) -> bytes:
    """Return the content of a list: of standard input for `-`. Fails if it cannot be read."""
    try:
        return await asyncio.to_thread((Path("/dev/stdin") if str(file) == "-" else file).read_bytes)
    except OSError as exc:
        fail(message("{file} cannot be read: {reason}", file=file, reason=exc))


def write_file(file: Path, text: str) -> None:
    """Write a result to a file. Fails if it cannot be written."""
    try:
        file.write_text(text + "\n", encoding="utf-8")
    except OSError as exc:
        fail(message("{file} cannot be written: {reason}", file=file, reason=exc))


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
    """Run a command. Prints its failure and exits with status 1 if it has one."""
    try:
        asyncio.run(work)
    except ApiError as exc:
        if context.json and not context.has_answered:
            context.emit(exc.document, print_json)
        fail(describe_error(exc))
    except Problem as exc:
        if context.json and not context.has_answered:
            known = {"title": exc.title, "status": exc.status, "detail": exc.detail, "code": exc.code}
            context.emit(known | dict(exc.members), print_json)
        fail(describe_error(exc))
    except GatewayError as exc:
        fail(describe_error(exc))
    except KeyboardInterrupt:
        fail(message("interrupted"))
