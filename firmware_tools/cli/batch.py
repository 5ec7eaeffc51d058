"""The command for many cards: batch."""

from pathlib import Path

import click

from firmware_tools.batch.card_list import find_shared_labels, read_card_list
from firmware_tools.batch.known_cameras import read_known_cameras
from firmware_tools.batch.report import BatchReport, CardState
from firmware_tools.batch.run import make_cards, make_images
from firmware_tools.cli.drives import confirm_erasing
from firmware_tools.cli.options import parse_max_size, with_console, with_force_firmware, with_max_size
from firmware_tools.command_language import localize
from firmware_tools.console import Console
from firmware_tools.drives.drive import find_drive
from firmware_tools.errors import CardFault
from firmware_tools.host import create_card_writer
from firmware_tools.language import count_message, join, message
from firmware_tools.size import parse_size, round_card_size


@click.command()
@click.option("--images", type=click.Path(path_type=Path), metavar="FOLDER", help="Write images into this folder.")
@click.option("--size", metavar="SIZE", help="Size of the cards that the images are for.")
@click.option("--drive", "drive_name", metavar="DRIVE", help="Write cards in this drive, one after another.")
@click.option(
    "--report",
    "report_folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where the report goes with --drive.",
)
@click.option("--yes-erase", metavar="SERIAL-OR-NAME", help="Erase cards in this drive without asking for its name.")
@click.option("--check-capacity", is_flag=True, help="First find out whether each card is as large as it claims.")
@click.option("--firmware", metavar="FILE", help="The firmware of cards whose row names none, as in a site plan.")
@click.option("--model", metavar="MODEL", help="The model of cameras whose row names none: FM010 or FM020.")
@click.option(
    "--cameras",
    "cameras_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What `sunmi-gateway cameras list --json` has written: finds MAC address and model by serial number.",
)
@with_force_firmware
@with_max_size
@click.argument("list_file", metavar="LIST", type=click.Path(path_type=Path))
@with_console
def batch(
    console: Console,
    /,
    list_file: Path,
    images: Path | None,
    size: str | None,
    drive_name: str | None,
    report_folder: Path | None,
    yes_erase: str | None,
    check_capacity: bool,
    firmware: str | None,
    model: str | None,
    cameras_file: Path | None,
    force_firmware: bool,
    max_size: str | None,
) -> None:
    """Make all cards of a list with the columns mac, model, firmware. Run it again to go on where it stopped.

    The list of a site plan is taken too, with --firmware, and --model or a column model; labels have the names and
    places of its cameras. Where it has serial numbers alone, give --cameras, too.
    """
    if (images is None) == (drive_name is None):
        raise click.UsageError(localize(message("give --images FOLDER, or --drive DRIVE")))
    if images is not None and (size is None or report_folder or yes_erase or check_capacity):
        raise click.UsageError(localize(message("--images goes with --size, and not with the options of --drive")))
    if drive_name is not None and size is not None:
        raise click.UsageError(localize(message("--size is for --images; a card in a drive has its size")))
    card_size = round_card_size(parse_size(size)) if size else 0
    file = None if firmware is None else str(Path(firmware).absolute())
    defaults = {name: text for name, text in (("firmware", file), ("model", model)) if text}
    known = None if cameras_file is None else read_known_cameras(cameras_file)
    card_list = read_card_list(list_file, console, force_firmware=force_firmware, defaults=defaults, known=known)
    console.print_message(card_list.description)
    cards = card_list.cards
    report = BatchReport.resume(images or report_folder or list_file.with_name(f"{list_file.stem}-report"), cards)
    report.notes = find_shared_labels(cards)
    for note in report.notes:
        console.print_note(note)
    if images is not None:
        make_images(report, card_size, console)
    else:
        card_writer = create_card_writer(parse_max_size(max_size))
        reader = find_drive(card_writer.list_drives(), drive_name)
        confirm_erasing(console, reader, yes_erase)
        make_cards(report, card_writer, reader, console, check_capacity=check_capacity)
    report.save()
    document = {"report": str(report.page_path), **report.to_json()}
    missing = len(cards) - report.count(CardState.DONE)
    if missing:
        console.print_failed_result(document)
        reasons = join(
            "; ",
            [
                message("{mac}: {reason}", mac=entry.card.spec.mac, reason=entry.reason)
                for entry in report.entries
                if entry.reason
            ],
        )
        raise CardFault(
            message(
                "cards that were not made: {missing} of {count} ({reasons})",
                missing=missing,
                count=len(cards),
                reasons=reasons or message("skipped"),
            )
        )
    console.print_result(
        document,
        count_message(
            "{count} card made and read back; label to print: {report}",
            "{count} cards made and read back; labels to print: {report}",
            len(cards),
            report=document["report"],
        ),
    )
