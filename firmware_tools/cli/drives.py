"""Commands for drives: list, prepare."""

from typing import Any

import click

from firmware_tools.cli.options import card_and_firmware, firmware_options, with_console
from firmware_tools.console import Console
from firmware_tools.drives.drive import SIZE_CAP, Drive, confirmed, find_drive
from firmware_tools.errors import DriveRefused
from firmware_tools.firmware import parse_sha256
from firmware_tools.outcome import advice, card_document
from firmware_tools.size import parse_size, show_size
from firmware_tools.workshop import workshop_here

max_size = click.option(
    "--max-size",
    metavar="SIZE",
    help=f"Offer no drive larger than this.  [default: {show_size(SIZE_CAP)}]",
)


@click.command("list")
@max_size
@with_console
def list_(console: Console, /, max_size: str | None) -> None:
    """Show the drives, and why each is or is not offered for a card."""
    drives = workshop_here(size_cap(max_size)).drives()
    lines = [
        f"{drive.name:10} {show_size(drive.size):>8}  {drive.bus:8} {drive.model:24}"
        f" {'offered' if drive.offered else 'not offered'}: {drive.reason}"
        for drive in drives
    ]
    console.finish({"drives": [drive.to_document() for drive in drives]}, "\n".join(lines) or "there are no drives")


@click.command()
@firmware_options
@click.option("--yes-erase", metavar="SERIAL-OR-NAME", help="Erase this drive without asking.")
@click.option("--check-capacity", is_flag=True, help="First find out whether the card is as large as it claims.")
@max_size
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
    expected = parse_sha256(sha256) if sha256 else None
    card, firmware = card_and_firmware(**options)
    workshop = workshop_here(size_cap(max_size))
    drive = find_drive(workshop.drives(), drive_name)
    confirm_erasing(console, drive, yes_erase)
    made = workshop.make(drive, card, firmware, console=console, expected_sha256=expected, with_capacity=check_capacity)
    released = workshop.release(made.drive)
    notes = [*made.notes, *advice(card)]
    if not released:
        notes.append("the card was not ejected: make sure that nothing has mounted it before you take it out")
    for note in notes:
        console.warn(note)
    document = {
        "drive": made.drive.to_document(),
        **card_document(card),
        "firmware": firmware.name,
        "firmware_size": firmware.size,
        "sha256": made.sha256,
        "verified": True,
        "ejected": released,
        "notes": notes,
    }
    console.finish(document, f"{drive.name}: card {card.mac.label} with {card.file.value}, read back, {made.sha256}")


def size_cap(text: str | None) -> int:
    """Return the largest drive to offer."""
    return parse_size(text) if text else SIZE_CAP


def confirm_erasing(console: Console, drive: Drive, yes_erase: str | None) -> None:
    """Have a person type which drive is meant, or compare what the option says; raise `DriveRefused` otherwise."""
    wanted = f"{drive.serial} or {drive.name}" if drive.serial else drive.name
    if yes_erase is None:
        console.say(f"Everything on {drive.describe()} will be erased.")
        answer = console.ask(f"Type {wanted} to erase it")
        if not confirmed(drive, answer):
            raise DriveRefused(f"{drive.name}: {answer!r} is not {wanted}; nothing was written")
    elif not confirmed(drive, yes_erase):
        raise DriveRefused(f"{drive.name}: --yes-erase {yes_erase} is not {wanted}; nothing was written")
