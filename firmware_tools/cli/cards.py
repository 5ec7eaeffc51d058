"""Commands for one image or card: image, verify, clean."""

from pathlib import Path
from typing import Any

import click

from firmware_tools.cleaning import clean_card
from firmware_tools.cli.options import card_and_firmware, firmware_options, no_device, with_console
from firmware_tools.console import Console
from firmware_tools.drives.linux import check_device
from firmware_tools.errors import CardFaulty
from firmware_tools.fill.filling import clean_mounted, verify_mounted
from firmware_tools.firmware import load_firmware, parse_sha256
from firmware_tools.image import write_image
from firmware_tools.mac import Mac
from firmware_tools.medium import open_medium
from firmware_tools.outcome import advice, findings_document, written_document
from firmware_tools.size import parse_size
from firmware_tools.verification import verify_card
from firmware_tools.workshop import mounted_card


@click.command()
@firmware_options
@click.option("--size", required=True, metavar="SIZE", help="Size of the card: 64MiB, 8GB, or bytes.")
@click.argument("image", type=click.Path(path_type=Path))
@with_console
def image(console: Console, /, image: Path, size: str, sha256: str | None, **options: Any) -> None:
    """Write the image of a card into the file IMAGE."""
    expected = parse_sha256(sha256) if sha256 else None
    card, firmware = card_and_firmware(**options)
    no_device(image)
    written = write_image(image, parse_size(size), card, firmware, progress=console, expected_sha256=expected)
    notes = advice(card)
    for note in notes:
        console.warn(note)
    document = {"image": str(image), **written_document(written, firmware), "notes": notes}
    console.finish(document, f"{image}: card {card.mac.label} with {card.file.value}, SHA-256 {document['sha256']}")


@click.command()
@click.option("--mac", "mac_text", metavar="MAC", help="The camera that the card is for.")
@click.option(
    "--firmware",
    "firmware_files",
    metavar="FILE",
    type=click.Path(path_type=Path),
    multiple=True,
    help="The firmware that the card should carry; several times for parts, in order.",
)
@click.option("--sha256", metavar="HEX", help="The SHA-256 that the firmware should have.")
@click.argument("target", metavar="IMAGE-OR-DEVICE", type=click.Path(path_type=Path))
@with_console
def verify(
    console: Console, /, target: Path, mac_text: str | None, firmware_files: tuple[Path, ...], sha256: str | None
) -> None:
    """Read a card or an image back and say whether it is right, naming the first fault."""
    if firmware_files and sha256:
        raise click.UsageError("give --firmware or --sha256, not both")
    mac = Mac.parse(mac_text) if mac_text else None
    expected = parse_sha256(sha256) if sha256 else None
    if firmware_files:
        expected = load_firmware(firmware_files).sha256(console)
    if volume := mounted_card(target):
        mount = volume.mount or target
        findings = verify_mounted(mount, volume.label, progress=console, mac=mac, expected_sha256=expected)
    else:
        check_device(target, writing=False)
        with open_medium(target) as medium:
            findings = verify_card(medium, progress=console, mac=mac, expected_sha256=expected)
    for note in findings.notes:
        console.warn(note)
    document = {"target": str(target), **findings_document(findings)}
    if not findings.good:
        console.finish_badly(document)
        raise CardFaulty(f"{target}: {findings.fault}")
    console.finish(document, "{target}: good: {label}, {file}, SHA-256 {sha256}".format(**document))


@click.command()
@click.argument("target", metavar="IMAGE-OR-DEVICE", type=click.Path(path_type=Path))
@with_console
def clean(console: Console, /, target: Path) -> None:
    """Remove the firmware after the update, so that the camera does not update again."""
    if volume := mounted_card(target):
        removed = clean_mounted(volume.mount or target)
    else:
        check_device(target, writing=True)
        with open_medium(target, writable=True) as medium:
            try:
                removed = clean_card(medium)
            except CardFaulty as fault:
                raise CardFaulty(f"{target}: {fault}; nothing was changed") from fault
    text = f"{target}: removed {', '.join(removed)}" if removed else f"{target}: there was no firmware to remove"
    console.finish({"target": str(target), "removed": removed}, text)
