"""Commands for drives: list, prepare."""

from typing import Any

import click

from firmware_tools.cli.options import (
    load_spec_and_firmware,
    parse_max_size,
    with_console,
    with_firmware_options,
    with_max_size,
)
from firmware_tools.command_language import localize
from firmware_tools.console import Console
from firmware_tools.drives.drive import Drive, find_drive
from firmware_tools.errors import DriveRefused
from firmware_tools.firmware import parse_sha256
from firmware_tools.host import create_card_writer
from firmware_tools.json_output import written_card_to_json
from firmware_tools.language import message
from firmware_tools.size import format_size


@click.command("list")
@with_max_size
@with_console
def list_(console: Console, /, max_size: str | None) -> None:
    """Show the drives, and why each is or is not offered for a card."""
    drives = create_card_writer(parse_max_size(max_size)).list_drives()
    offered, not_offered = localize(message("offered")), localize(message("not offered"))
    lines = [
        f"{drive.name:10} {format_size(drive.size):>8}  {drive.bus:8} {drive.model:24}"
        f" {offered if drive.is_offered else not_offered}: {localize(drive.reason)}"
        for drive in drives
    ]
    console.print_result(
        {"drives": [drive.to_json() for drive in drives]}, "\n".join(lines) or message("there are no drives")
    )


@click.command()
@with_firmware_options
@click.option("--yes-erase", metavar="SERIAL-OR-NAME", help="Erase this drive without asking.")
@click.option("--check-capacity", is_flag=True, help="First find out whether the card is as large as it claims.")
@with_max_size
@click.argument("drive_name", metavar="[DRIVE]", required=False)
@with_console
def prepare(
    console: Console,
    /,
    drive_name: str | None,
    yes_erase: str | None,
    check_capacity: bool,
    max_size: str | None,
    sha256: str | None,
    **options: Any,
) -> None:
    """Erase the card in DRIVE and make it a firmware card; DRIVE can be left out if only one is offered."""
    expected_sha256 = parse_sha256(sha256) if sha256 else None
    spec, firmware = load_spec_and_firmware(**options)
    card_writer = create_card_writer(parse_max_size(max_size))
    drive = find_drive(card_writer.list_drives(), drive_name)
    confirm_erasing(console, drive, yes_erase)
    written = card_writer.write(
        drive, spec, firmware, console=console, expected_sha256=expected_sha256, check_capacity=check_capacity
    )
    is_ejected = card_writer.eject(written.drive)
    notes = [*written.notes, *spec.installer_notes]
    if not is_ejected:
        notes.append(message("the card was not ejected: make sure that nothing has mounted it before you take it out"))
    for note in notes:
        console.print_note(note)
    procedure = console.print_procedure(spec)
    document = {
        "drive": written.drive.to_json(),
        **written_card_to_json(spec, firmware, written.sha256),
        "verified": True,
        "ejected": is_ejected,
        "notes": notes,
        "procedure": procedure,
    }
    text = message(
        "{drive}: card {volume_label} with {value}, read back, {sha256}",
        drive=drive.name,
        volume_label=spec.mac.volume_label,
        value=spec.firmware_path.value,
        sha256=written.sha256,
    )
    console.print_result(document, text)


def confirm_erasing(console: Console, drive: Drive, yes_erase: str | None) -> None:
    """Let the user name the drive to erase, by the option or when asked; raise `DriveRefused` for another name."""
    expected = message("{serial} or {name}", serial=drive.serial, name=drive.name) if drive.serial else drive.name
    if yes_erase is None:
        console.print_message(message("Everything on {drive} will be erased.", drive=drive.describe()))
        reply = console.ask(message("Type {expected} to erase it", expected=expected))
        if not drive.is_confirmed_by(reply):
            raise DriveRefused(
                message(
                    "{drive}: {reply!r} is not {expected}; nothing was written",
                    drive=drive.name,
                    reply=reply,
                    expected=expected,
                )
            )
    elif not drive.is_confirmed_by(yes_erase):
        raise DriveRefused(
            message(
                "{drive}: --yes-erase {yes_erase} is not {expected}; nothing was written",
                drive=drive.name,
                yes_erase=yes_erase,
                expected=expected,
            )
        )
