"""The command line: its commands, and the options that all of them have."""

import gc
import importlib
import sys
from collections.abc import Sequence
from typing import Any, Final

import click

from firmware_tools.command_language import begin_command, localize_command
from gateway import __version__
from gateway.cli.command import CommandContext, CommandFailed, writing_results
from gateway.cli.encoding import print_json, replace_unencodable
from gateway.runtime import logs

_COLLECTION_THRESHOLD: Final = 10_000
"""How many new objects start a garbage collection."""
_GLOBAL_FLAGS: Final = ("--json", "--no-input")
"""Flags that may stand after any command."""
_MODULES: Final = {
    "authority": ("authority",),
    "backup": ("backup", "restore"),
    "boot_settings": ("take_settings",),
    "cameras": ("cameras", "discover"),
    "cloud": ("cloud",),
    "demo": ("demo",),
    "doctor": ("doctor",),
    "events": ("events",),
    "fleet": ("fleet",),
    "flow": ("flow",),
    "init": ("init",),
    "labels": ("labels",),
    "office": ("office",),
    "outbox": ("outbox",),
    "products": ("products",),
    "reference": ("catalogue", "sign"),
    "run": ("run",),
    "shop": ("shop",),
    "simulate": ("simulate",),
    "support": ("support_bundle",),
    "tokens": ("token",),
    "webhooks": ("webhooks",),
}
"""The commands by module of this package, by the names of their functions."""
_COMMANDS: Final = {name.replace("_", "-"): (module, name) for module, names in _MODULES.items() for name in names}


class _LazyGroup(click.Group):
    """Imports a command when it is used. The gateway itself needs neither tables nor a simulated store in memory."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"gateway.cli.{module}"), name)
        return localize_command(command)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. With `--json`, a failure that has printed nothing yet is a document, too."""
        try:
            return super().invoke(ctx)
        except CommandFailed as exc:
            _print_failure(ctx, exc.reason)
            raise
        except click.ClickException as exc:
            _print_failure(ctx, exc.format_message())
            raise


def _print_failure(context: click.Context, reason: str) -> None:
    has_answered = isinstance(context.obj, CommandContext) and context.obj.has_answered
    if context.params["json"] and not has_answered:
        with writing_results():
            print_json({"detail": reason})


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sunmi-gateway")
@click.option(
    "--config", metavar="FILE", help="The settings file, instead of $SUNMI_GATEWAY_CONFIG or the default ones."
)
@click.option("--json", is_flag=True, help="Print one JSON document and nothing else. May stand after any command.")
@click.option("--no-input", is_flag=True, help="Never ask; fail naming the question. May stand after any command.")
@click.pass_context
def cli(context: click.Context, config: str | None, json: bool, no_input: bool) -> None:
    """The edge gateway of a SUNMI store.

    Exit status: 0 done, 1 failed, 2 wrong usage.
    """
    logs.configure("warning")
    context.obj = CommandContext(config, json, no_input)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    # Modules stay, and requests create hardly any reference cycles. With Python's default a tenth of a start and a
    # seventh of the time of requests go into searching them for cycles.
    gc.set_threshold(_COLLECTION_THRESHOLD)
    replace_unencodable()
    given = list(sys.argv[1:] if arguments is None else arguments)
    end = given.index("--") if "--" in given else len(given)
    words = [word for word in given[:end] if word not in _GLOBAL_FLAGS]
    flags = [flag for flag in _GLOBAL_FLAGS if flag in given[:end]]
    begin_command(as_json="--json" in flags)
    localize_command(cli).main([*flags, *words, *given[end:]], prog_name="sunmi-gateway")
