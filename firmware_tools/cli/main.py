"""The group of commands. An error becomes one line on stderr and an exit status."""

import io
import signal
import sys
from types import FrameType
from typing import NoReturn

import click

from firmware_tools.cli.batch import batch
from firmware_tools.cli.cards import clean, image, verify
from firmware_tools.cli.drives import list_, prepare
from firmware_tools.command_language import begin_command, localize, localize_command
from firmware_tools.errors import CardError
from firmware_tools.language import describe_error, message


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
@click.option("--no-input", is_flag=True, help="Never ask; fail naming the question.")
def sunmi_sdcard(as_json: bool, no_input: bool) -> None:
    """Firmware SD cards for SUNMI cameras."""


for command in (list_, prepare, image, verify, clean, batch):
    sunmi_sdcard.add_command(command)


def main() -> NoReturn:
    """Run a command and exit with status 0 (done), 1 (failed) or 2 (wrong usage)."""
    signal.signal(signal.SIGTERM, _raise_interrupt)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    words = sys.argv[1:]
    begin_command(as_json="--json" in words[: words.index("--") if "--" in words else len(words)])
    try:
        command = localize_command(sunmi_sdcard)
        with command.make_context("sunmi-sdcard", words) as context:
            command.invoke(context)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.UsageError as error:
        error.show()
        sys.exit(2)
    except CardError as error:
        _exit_failed(describe_error(error))
    except (KeyboardInterrupt, click.Abort):
        _exit_failed(message("stopped; a card that was being written is incomplete: write it again"))
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        reason = describe_error(error)
        _exit_failed(message("{file}: {reason}", file=error.filename, reason=reason) if error.filename else reason)
    sys.exit(0)


def _exit_failed(reason: str) -> NoReturn:
    click.echo(f"sunmi-sdcard: {' '.join(localize(reason).split())}", err=True)
    sys.exit(1)


def _raise_interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
