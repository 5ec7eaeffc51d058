"""Commands for one image or card: image, verify, clean."""

from pathlib import Path
from typing import Any

import click

from firmware_tools.block_device import open_block_device
from firmware_tools.cli.options import load_spec_and_firmware, with_console, with_firmware_options, with_force_firmware
from firmware_tools.command_language import localize
from firmware_tools.console import Console
from firmware_tools.drives.linux import check_device_allowed
from firmware_tools.errors import CardFault, InvalidInput
from firmware_tools.firmware import load_firmware, parse_sha256
from firmware_tools.host import find_mounted_volume
from firmware_tools.json_output import verification_to_json, written_card_to_json
from firmware_tools.language import message
from firmware_tools.mac import Mac
from firmware_tools.mounted_volume.card_files import remove_mounted_firmware, verify_mounted_card
from firmware_tools.raw_card.firmware_removal import remove_firmware
from firmware_tools.raw_card.image import write_image
from firmware_tools.raw_card.verification import verify_card
from firmware_tools.size import parse_size


@click.command()
@with_firmware_options
@click.option("--size", required=True, metavar="SIZE", help="Size of the card: 64MiB, 8GB, or bytes.")
@click.argument("image", type=click.Path(path_type=Path))
@with_console
def image(console: Console, /, image: Path, size: str, sha256: str | None, **options: Any) -> None:
    """Write the image of a card into the file IMAGE."""
    expected_sha256 = parse_sha256(sha256) if sha256 else None
    spec, firmware = load_spec_and_firmware(**options)
    if image.is_block_device():
        raise InvalidInput(
            message("{image}: this is a drive; `sunmi-sdcard prepare` writes cards in drives", image=image)
        )
    record = write_image(image, parse_size(size), spec, firmware, progress=console, expected_sha256=expected_sha256)
    notes = spec.installer_notes
    for note in notes:
        console.print_note(note)
    procedure = console.print_procedure(spec, image=str(image))
    written_sha256 = record.sha256.hex()
    document = {
        "image": str(image),
        **written_card_to_json(spec, firmware, written_sha256),
        "notes": notes,
        "procedure": procedure,
    }
    text = message(
        "{image}: card {volume_label} with {value}, SHA-256 {written_sha256}",
        image=image,
        volume_label=spec.mac.volume_label,
        value=spec.firmware_path.value,
        written_sha256=written_sha256,
    )
    console.print_result(document, text)


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
@with_force_firmware
@click.argument("target", metavar="IMAGE-OR-DEVICE", type=click.Path(path_type=Path))
@with_console
def verify(
    console: Console,
    /,
    target: Path,
    mac_text: str | None,
    firmware_files: tuple[Path, ...],
    sha256: str | None,
    force_firmware: bool,
) -> None:
    """Read a card or an image back and say whether it is right, naming the first fault."""
    if firmware_files and sha256:
        raise click.UsageError(localize(message("give --firmware or --sha256, not both")))
    mac = Mac.parse(mac_text) if mac_text else None
    expected_sha256 = parse_sha256(sha256) if sha256 else None
    if firmware_files:
        expected_sha256 = load_firmware(firmware_files, force=force_firmware).compute_sha256(console)
    if volume := find_mounted_volume(target):
        mount_point = volume.mount_point or target
        result = verify_mounted_card(
            mount_point, volume.label, progress=console, mac=mac, expected_sha256=expected_sha256
        )
    else:
        check_device_allowed(target, writable=False)
        with open_block_device(target) as device:
            result = verify_card(device, progress=console, mac=mac, expected_sha256=expected_sha256)
    for note in result.notes:
        console.print_note(note)
    document = {"target": str(target), **verification_to_json(result)}
    if not result.is_good:
        console.print_failed_result(document)
        raise CardFault(message("{target}: {fault}", target=target, fault=result.fault))
    console.print_result(
        document,
        message(
            "{target}: good: {label}, {file}, SHA-256 {sha256}",
            target=target,
            label=document["label"],
            file=document["file"],
            sha256=document["sha256"],
        ),
    )


@click.command()
@click.argument("target", metavar="IMAGE-OR-DEVICE", type=click.Path(path_type=Path))
@with_console
def clean(console: Console, /, target: Path) -> None:
    """Remove the firmware after the update, so that the camera does not update again."""
    if volume := find_mounted_volume(target):
        removed = remove_mounted_firmware(volume.mount_point or target)
    else:
        check_device_allowed(target, writable=True)
        with open_block_device(target, writable=True) as device:
            try:
                removed = remove_firmware(device)
            except CardFault as fault:
                raise CardFault(
                    message("{target}: {fault}; nothing was changed", target=target, fault=fault)
                ) from fault
    text = (
        message("{target}: removed {removed}", target=target, removed=", ".join(removed))
        if removed
        else message("{target}: there was no firmware to remove", target=target)
    )
    console.print_result({"target": str(target), "removed": removed}, text)
