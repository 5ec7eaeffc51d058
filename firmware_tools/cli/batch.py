"""The command for many cards: batch."""

from pathlib import Path

import click

from firmware_tools.batch.plan import read_plan, same_labels
from firmware_tools.batch.report import DONE, Report
from firmware_tools.batch.run import make_cards, make_images
from firmware_tools.cli.drives import confirm_erasing, max_size, size_cap
from firmware_tools.cli.options import with_console
from firmware_tools.console import Console
from firmware_tools.drives.drive import find_drive
from firmware_tools.errors import CardFaulty
from firmware_tools.size import check_card_size, parse_size
from firmware_tools.workshop import workshop_here


@click.command()
@click.option("--images", type=click.Path(path_type=Path), metavar="FOLDER", help="Write images into this folder.")
@click.option("--size", metavar="SIZE", help="Size of the cards that the images are for.")
@click.option("--drive", "drive_name", metavar="DRIVE", help="Write cards in this drive, one after another.")
@click.option("--report", type=click.Path(path_type=Path), metavar="FOLDER", help="Where the report goes with --drive.")
@click.option("--yes-erase", metavar="SERIAL-OR-NAME", help="Erase cards in this drive without asking for its name.")
@click.option("--check-capacity", is_flag=True, help="First find out whether each card is as large as it claims.")
@max_size
@click.argument("list_", metavar="CSV", type=click.Path(path_type=Path))
@with_console
def batch(
    console: Console,
    /,
    list_: Path,
    images: Path | None,
    size: str | None,
    drive_name: str | None,
    report: Path | None,
    yes_erase: str | None,
    check_capacity: bool,
    max_size: str | None,
) -> None:
    """Make all cards of a list with the columns mac, model, firmware. Run it again to go on where it stopped."""
    if (images is None) == (drive_name is None):
        raise click.UsageError("give --images FOLDER, or --drive DRIVE")
    if images is not None and (size is None or report or yes_erase or check_capacity):
        raise click.UsageError("--images goes with --size, and not with the options of --drive")
    if drive_name is not None and size is not None:
        raise click.UsageError("--size is for --images; a card in a drive has its size")
    card_size = check_card_size(parse_size(size)) if size else 0
    plan = read_plan(list_, console)
    state = Report.resume(images or report or list_.with_name(f"{list_.stem}-report"), plan)
    state.notes = same_labels(plan)
    for note in state.notes:
        console.warn(note)
    if images is not None:
        make_images(state, card_size, console)
    else:
        workshop = workshop_here(size_cap(max_size))
        reader = find_drive(workshop.drives(), drive_name)
        confirm_erasing(console, reader, yes_erase)
        make_cards(state, workshop, reader, console, with_capacity=check_capacity)
    state.save()
    document = {"report": str(state.folder / "report.html"), **state.to_document()}
    if state.count(DONE) < len(plan):
        console.finish_badly(document)
        reasons = "; ".join(f"{entry.wanted.card.mac}: {entry.reason}" for entry in state.entries if entry.reason)
        raise CardFaulty(f"{len(plan) - state.count(DONE)} of {len(plan)} cards were not made: {reasons or 'skipped'}")
    console.finish(document, f"{len(plan)} cards made and read back; labels to print: {document['report']}")
