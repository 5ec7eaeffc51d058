"""Making the cards of a list one after another; a card that is done already is skipped."""

from pathlib import Path

from firmware_tools.batch.report import BatchReport, CardState, ReportEntry
from firmware_tools.block_device import open_block_device
from firmware_tools.card_writer import CardWriter, WrittenCard
from firmware_tools.console import Console
from firmware_tools.drives.drive import Drive
from firmware_tools.errors import CardError, CardFault, DriveRefused
from firmware_tools.language import describe_error, message
from firmware_tools.raw_card.image import write_image
from firmware_tools.raw_card.verification import verify_card
from firmware_tools.verification import VerificationResult

_SKIP_REPLY, _REUSE_REPLY = "s", "r"


def make_images(report: BatchReport, size: int, console: Console) -> None:
    """Write an image of `size` bytes for each card into the report's folder and read it back; go on after failures."""
    for number, entry in enumerate(report.entries, 1):
        mac = entry.card.spec.mac
        image = report.folder / f"{mac.volume_label}-{mac.hex_digits}.img"
        title = f"{number}/{len(report.entries)} {image.name}"
        if entry.state == CardState.DONE and _is_still_good(entry, image, console):
            console.print_message(message("{title}: made already", title=title))
            continue
        console.print_message(title)
        try:
            _make_image(entry, image, size, console)
            entry.mark_done(image.name)
        except CardError as error:
            entry.mark_failed(describe_error(error))
            console.print_note(describe_error(error))
        report.save()


def make_cards(
    report: BatchReport, card_writer: CardWriter, reader: Drive, console: Console, *, check_capacity: bool
) -> None:
    """Make the cards in one reader, asking for each; a card that fails is asked for again until the user skips it."""
    previous: ReportEntry | None = None
    for number, entry in enumerate(report.entries, 1):
        spec = entry.card.spec
        title = message(
            "{number}/{count} {label} for camera {mac}",
            number=number,
            count=len(report.entries),
            label=spec.mac.volume_label,
            mac=spec.mac,
        )
        if entry.state == CardState.DONE:
            console.print_message(message("{title}: made already", title=title))
            continue
        while True:
            reply = console.ask(
                message(
                    "{title}: insert its card into {reader} and press Enter ({skip_reply} skips it)",
                    title=title,
                    reader=reader.name,
                    skip_reply=_SKIP_REPLY,
                )
            )
            if reply.lower() == _SKIP_REPLY:
                entry.state = CardState.WAITING
                break
            try:
                drive = _find_inserted_card(card_writer, reader)
                if previous is not None and reply.lower() != _REUSE_REPLY:
                    _refuse_previous_card(card_writer, drive, previous)
                written = _make_card(entry, card_writer, drive, console, check_capacity=check_capacity)
            except CardError as error:
                entry.mark_failed(describe_error(error))
                report.save()
                console.print_note(describe_error(error))
                continue
            card_writer.eject(written.drive)
            entry.mark_done(reader.name)
            previous = entry
            console.print_message(
                message("{title}: good, {path} read back; take it out", title=title, path=spec.firmware_path.value)
            )
            break
        report.save()


def _make_card(
    entry: ReportEntry, card_writer: CardWriter, drive: Drive, console: Console, *, check_capacity: bool
) -> WrittenCard:
    card = entry.card
    return card_writer.write(
        drive,
        card.spec,
        card.firmware,
        console=console,
        expected_sha256=card.sha256,
        check_capacity=check_capacity,
    )


def _find_inserted_card(card_writer: CardWriter, reader: Drive) -> Drive:
    """Return the reader with the card that is in it now; raise `DriveRefused` if there is none, or it is not offered.

    The model that a built-in slot reports is that of the card.
    """
    for drive in card_writer.list_drives():
        if (drive.path, drive.bus) == (reader.path, reader.bus) and (drive.bus == "mmc" or drive.model == reader.model):
            if drive.refusal:
                raise DriveRefused(message("{drive}: {reason}", drive=drive.name, reason=drive.refusal))
            return drive
    raise DriveRefused(message("{reader}: there is no card in it", reader=reader.name))


def _refuse_previous_card(card_writer: CardWriter, drive: Drive, previous: ReportEntry) -> None:
    """Raise `DriveRefused` if the card in a drive is the one that was just made."""
    mac = previous.card.spec.mac
    if card_writer.identify_card(drive) in (str(mac), mac.volume_label):
        raise DriveRefused(
            message(
                "{drive}: this is still the card for {mac}, made a moment ago: insert the next one, or "
                "answer {reuse_reply} to erase this one and use it again",
                drive=drive.name,
                mac=mac,
                reuse_reply=_REUSE_REPLY,
            )
        )


def _make_image(entry: ReportEntry, image: Path, size: int, console: Console) -> None:
    card = entry.card
    write_image(image, size, card.spec, card.firmware, progress=console, expected_sha256=card.sha256)
    result = _verify_image(entry, image, console, is_fresh=True)
    if not result.is_good:
        raise CardFault(message("{image}: reading back: {fault}", image=image, fault=result.fault))


def _is_still_good(entry: ReportEntry, image: Path, console: Console) -> bool:
    try:
        return _verify_image(entry, image, console).is_good
    except CardError:
        return False


def _verify_image(entry: ReportEntry, image: Path, console: Console, *, is_fresh: bool = False) -> VerificationResult:
    card = entry.card
    with open_block_device(image) as device:
        return verify_card(device, progress=console, mac=card.spec.mac, expected_sha256=card.sha256, is_fresh=is_fresh)
