"""Making the cards of a list, one after another; what is made already is not made again."""

from pathlib import Path

from firmware_tools.batch.report import DONE, WAITING, Entry, Report
from firmware_tools.console import Console
from firmware_tools.drives.drive import Drive
from firmware_tools.errors import CardError, CardFaulty, DriveRefused
from firmware_tools.image import write_image
from firmware_tools.medium import open_medium
from firmware_tools.verification import verify_card
from firmware_tools.workshop import Workshop

_SKIP, _REUSE = "s", "r"


def make_images(report: Report, size: int, console: Console) -> None:
    """Write an image for each card into the report's folder and read it back; go on after a failure."""
    for number, entry in enumerate(report.entries, 1):
        image = report.folder / f"{entry.wanted.card.mac.label}-{entry.wanted.card.mac.digits}.img"
        if entry.state == DONE and _still_good(entry, image, console):
            console.say(f"{number}/{len(report.entries)} {image.name}: made already")
            continue
        console.say(f"{number}/{len(report.entries)} {image.name}")
        try:
            entry.succeed(_make_image(entry, image, size, console))
        except CardError as error:
            entry.fail(str(error))
            console.warn(str(error))
        report.save()


def make_cards(report: Report, workshop: Workshop, reader: Drive, console: Console, *, with_capacity: bool) -> None:
    """Make the cards in one reader, asking for each; a card that fails is asked for again, or skipped."""
    last: Entry | None = None
    for number, entry in enumerate(report.entries, 1):
        card = entry.wanted.card
        title = f"{number}/{len(report.entries)} {card.mac.label} for camera {card.mac}"
        if entry.state == DONE:
            console.say(f"{title}: made already")
            continue
        while True:
            answer = console.ask(f"{title}: insert its card into {reader.name} and press Enter ({_SKIP} skips it)")
            if answer.lower() == _SKIP:
                entry.state = WAITING
                break
            try:
                drive = _card_in(workshop, reader)
                if last is not None and answer.lower() != _REUSE:
                    _refuse_same_card(workshop, drive, last)
                done = workshop.make(
                    drive,
                    card,
                    entry.wanted.firmware,
                    console=console,
                    expected_sha256=entry.wanted.sha256,
                    with_capacity=with_capacity,
                )
            except CardError as error:
                entry.fail(str(error))
                report.save()
                console.warn(str(error))
                continue
            workshop.release(done.drive)
            entry.succeed(reader.name)
            last = entry
            console.say(f"{title}: good, {card.file.value} read back; take it out")
            break
        report.save()


def _card_in(workshop: Workshop, reader: Drive) -> Drive:
    """Return the reader with the card that is in it now; raise `DriveRefused` if it is not to be written."""
    for drive in workshop.drives():
        if (drive.path, drive.bus) == (reader.path, reader.bus) and (drive.bus == "mmc" or drive.model == reader.model):
            if drive.refusal:
                raise DriveRefused(f"{drive.name}: {drive.refusal}")
            return drive
    raise DriveRefused(f"{reader.name}: there is no card in it")


def _refuse_same_card(workshop: Workshop, drive: Drive, last: Entry) -> None:
    mac = last.wanted.card.mac
    if workshop.camera_of(drive) in (str(mac), mac.label):
        raise DriveRefused(
            f"{drive.name}: this is still the card for {mac}, made a moment ago: insert the next one, or answer"
            f" {_REUSE} to erase this one and use it again"
        )


def _make_image(entry: Entry, image: Path, size: int, console: Console) -> str:
    wanted = entry.wanted
    write_image(image, size, wanted.card, wanted.firmware, progress=console, expected_sha256=wanted.sha256)
    with open_medium(image) as medium:
        findings = verify_card(medium, progress=console, mac=wanted.card.mac, expected_sha256=wanted.sha256)
    if not findings.good:
        raise CardFaulty(f"{image}: reading back: {findings.fault}")
    return image.name


def _still_good(entry: Entry, image: Path, console: Console) -> bool:
    try:
        with open_medium(image) as medium:
            return verify_card(
                medium, progress=console, mac=entry.wanted.card.mac, expected_sha256=entry.wanted.sha256
            ).good
    except CardError:
        return False
