"""Options that several commands share, and how they are parsed."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, ParamSpec

import click

from firmware_tools.card import CardSpec, FirmwarePath
from firmware_tools.command_language import localize
from firmware_tools.console import Console
from firmware_tools.drives.drive import DEFAULT_MAX_DRIVE_SIZE
from firmware_tools.firmware import Firmware, load_firmware
from firmware_tools.language import message
from firmware_tools.size import format_size, parse_size

P = ParamSpec("P")


def with_console(command: Callable[Concatenate[Console, P], None]) -> Callable[P, None]:
    """Add the options `--json` and `--no-input` to a command, and pass it the console as its first argument."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
    @click.option("--no-input", is_flag=True, help="Never ask; fail naming the question.")
    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        group_options = click.get_current_context().find_root().params
        as_json = bool(kwargs.pop("as_json")) | bool(group_options.get("as_json"))
        no_input = bool(kwargs.pop("no_input")) | bool(group_options.get("no_input"))
        command(Console(as_json=as_json, may_ask=not no_input), *args, **kwargs)

    return wrapped


with_force_firmware = click.option(
    "--force-firmware",
    is_flag=True,
    help="Accept a firmware that is very small, or looks like something else.",
)
"""Adds the option that skips the checks whether a file can be a firmware."""


def with_firmware_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say what goes on a card; `load_spec_and_firmware` parses them."""
    for option in (
        with_force_firmware,
        click.option("--version", "version", metavar="VERSION", help="Firmware version, like 1.2.0-release."),
        click.option("--channel", metavar="CHANNEL", help="uat or release."),
        click.option("--model", metavar="MODEL", help="FM010 (SS) or FM020 (FS)."),
        click.option("--sha256", metavar="HEX", help="Refuse a firmware with another SHA-256."),
        click.option(
            "--file-name",
            type=click.Choice(["ipc-up.bin", "ip-up.bin"]),
            help="Name in the folder `firmware`; one page of the vendor's says ip-up.bin.  [default: ipc-up.bin]",
        ),
        click.option(
            "--mode",
            type=click.Choice(["update", "recovery"]),
            default="update",
            show_default=True,
            help="For a camera that runs, or for one whose firmware is corrupt.",
        ),
        click.option(
            "--firmware",
            "firmware_files",
            metavar="FILE",
            type=click.Path(path_type=Path),
            required=True,
            multiple=True,
            help="Firmware file, plain or zipped; give it several times for parts, in order.",
        ),
        click.option("--mac", "mac_text", metavar="MAC", required=True, help="The camera's MAC, from its label."),
    ):
        command = option(command)
    return command


def load_spec_and_firmware(
    *,
    mac_text: str,
    firmware_files: tuple[Path, ...],
    mode: str,
    file_name: str | None,
    model: str | None,
    channel: str | None,
    version: str | None,
    force_firmware: bool,
) -> tuple[CardSpec, Firmware]:
    """Parse the options that say what goes on a card, and load the firmware; raise `InvalidInput` if one is wrong."""
    if mode == "recovery" and file_name is not None:
        raise click.UsageError(localize(message("--file-name is for --mode update; recovery always takes up.bin")))
    path = FirmwarePath.RECOVERY if mode == "recovery" else FirmwarePath.UPDATE
    if file_name == "ip-up.bin":
        path = FirmwarePath.UPDATE_MISSPELLED
    spec = CardSpec.parse(mac_text, path, model=model, channel=channel, version=version)
    return spec, load_firmware(firmware_files, force=force_firmware)


with_max_size = click.option(
    "--max-size",
    metavar="SIZE",
    help=f"Offer no drive larger than this.  [default: {format_size(DEFAULT_MAX_DRIVE_SIZE)}]",
)
"""Adds the option that says how large a drive may be; `parse_max_size` parses it."""


def parse_max_size(text: str | None) -> int:
    """Return the size in bytes of the largest drive to offer."""
    return parse_size(text) if text else DEFAULT_MAX_DRIVE_SIZE
