"""Options that several commands share, and what they make of them."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import click

from firmware_tools.card import Card, CardFile
from firmware_tools.console import Console
from firmware_tools.errors import InputRefused
from firmware_tools.firmware import Firmware, describe_card, load_firmware
from firmware_tools.mac import Mac

P = ParamSpec("P")


def with_console(command: Callable[Concatenate[Console, P], None]) -> Callable[P, None]:
    """Give a command `--json`, `--no-input`, and the console that follows from them as its first argument."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
    @click.option("--no-input", is_flag=True, help="Never ask; fail naming the question.")
    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        above = click.get_current_context().find_root().params
        as_json = bool(kwargs.pop("as_json")) | bool(above.get("as_json"))
        may_ask = not (bool(kwargs.pop("no_input")) | bool(above.get("no_input")))
        command(Console(as_json=as_json, may_ask=may_ask), *args, **kwargs)

    return wrapped


def firmware_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say what goes on a card; `card_and_firmware` reads them."""
    for option in (
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


def card_and_firmware(
    *,
    mac_text: str,
    firmware_files: tuple[Path, ...],
    mode: str,
    file_name: str | None,
    model: str | None,
    channel: str | None,
    version: str | None,
    **_: Any,
) -> tuple[Card, Firmware]:
    """Turn the options into a card and its firmware; raise `InputRefused` for what is wrong with them."""
    if mode == "recovery" and file_name is not None:
        raise click.UsageError("--file-name is for --mode update; recovery always takes up.bin")
    file = CardFile.RECOVERY if mode == "recovery" else CardFile.UPDATE
    if file_name == "ip-up.bin":
        file = CardFile.UPDATE_AS_MISPRINTED
    card = describe_card(Card(Mac.parse(mac_text), file), model, channel, version)
    return card, load_firmware(firmware_files)


def no_device(path: Path) -> None:
    """Raise `InputRefused` for a path that an image file cannot have."""
    if path.is_block_device():
        raise InputRefused(f"{path}: this is a drive; `sunmi-sdcard prepare` writes cards in drives")
