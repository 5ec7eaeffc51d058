"""The list of the cards of a batch: a CSV file, checked as a whole before anything is written."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from firmware_tools.card import CardSpec, FirmwarePath
from firmware_tools.errors import CardError, InvalidInput, IOFailed
from firmware_tools.firmware import Firmware, load_firmware, parse_sha256
from firmware_tools.mac import Mac
from firmware_tools.progress import ProgressReporter

_REQUIRED_COLUMNS = ("mac", "model", "firmware")
_OPTIONAL_COLUMNS = ("channel", "version", "sha256", "mode")
_FIRMWARE_PATHS = {"": FirmwarePath.UPDATE, "update": FirmwarePath.UPDATE, "recovery": FirmwarePath.RECOVERY}


@dataclass(frozen=True, slots=True)
class ListedCard:
    """One card of the list."""

    line: int
    """Line of the file."""
    spec: CardSpec
    """What the card is to be."""
    firmware: Firmware
    """The firmware for it."""
    sha256: bytes
    """SHA-256 of the firmware."""


def read_card_list(path: Path, progress: ProgressReporter, *, force_firmware: bool = False) -> list[ListedCard]:
    """Read a list of cards with the columns mac, model, firmware; and optionally channel, version, sha256, mode.

    The path of a firmware is relative to the folder of the list.

    Raises:
        InvalidInput: something is wrong; the message names every line that is.
        IOFailed: the list cannot be read.

    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path}: it is no text in UTF-8; save the list as CSV (UTF-8)") from error
    except FileNotFoundError as error:
        raise InvalidInput(f"{path}: there is no such list") from error
    except OSError as error:
        raise IOFailed.from_os_error("reading", str(path), error) from error
    header = text.partition("\n")[0]
    rows = csv.DictReader(text.splitlines(), delimiter=";" if header.count(";") > header.count(",") else ",")
    columns = [str(name).strip().lower() for name in rows.fieldnames or ()]
    if fault := _find_header_fault(columns):
        raise InvalidInput(f"{path}: {fault}; its first line has to be: mac,model,firmware")
    rows.fieldnames = columns
    cards, faults = _read_rows(path.parent, rows, progress, force_firmware=force_firmware)
    if faults:
        raise InvalidInput(f"{path}: " + "; ".join(faults))
    if not cards:
        raise InvalidInput(f"{path}: the list is empty")
    return cards


def find_shared_labels(cards: list[ListedCard]) -> list[str]:
    """Return a note for each volume label that several cameras share: their cards look alike."""
    cameras: dict[str, list[str]] = {}
    for card in cards:
        cameras.setdefault(card.spec.mac.volume_label, []).append(str(card.spec.mac))
    return [
        f"{' and '.join(macs)} have the same label {label}: keep their cards apart"
        for label, macs in cameras.items()
        if len(macs) > 1
    ]


def _find_header_fault(columns: list[str]) -> str | None:
    for name in _REQUIRED_COLUMNS:
        if name not in columns:
            return f"column {name} is missing"
    for name in columns:
        if name not in _REQUIRED_COLUMNS + _OPTIONAL_COLUMNS:
            return f"column {name!r} is not known"
    return "a column comes twice" if len(set(columns)) < len(columns) else None


def _read_rows(
    folder: Path, rows: "csv.DictReader[str]", progress: ProgressReporter, *, force_firmware: bool
) -> tuple[list[ListedCard], list[str]]:
    """Return the cards, and the faults of the lines that are wrong."""
    cards: list[ListedCard] = []
    faults: list[str] = []
    firmwares: dict[str, tuple[Firmware, bytes]] = {}
    lines_by_mac: dict[Mac, int] = {}
    for row in rows:
        cells = {name: (value or "").strip() for name, value in row.items() if isinstance(name, str)}
        if not any(cells.values()):
            continue
        try:
            if None in row:
                raise InvalidInput("it has more fields than the first line")
            card = _parse_row(rows.line_num, cells, folder, firmwares, progress, force_firmware=force_firmware)
            first_line = lines_by_mac.setdefault(card.spec.mac, rows.line_num)
            if first_line != rows.line_num:
                raise InvalidInput(f"the camera {card.spec.mac} is already in line {first_line}")
            cards.append(card)
        except CardError as error:
            faults.append(f"line {rows.line_num}: {error}")
    return cards, faults


def _parse_row(
    line: int,
    cells: Mapping[str, str],
    folder: Path,
    firmwares: dict[str, tuple[Firmware, bytes]],
    progress: ProgressReporter,
    *,
    force_firmware: bool,
) -> ListedCard:
    """Parse one line. Each firmware is loaded once and kept with its SHA-256 in `firmwares`."""
    mode = cells.get("mode", "").lower()
    if mode not in _FIRMWARE_PATHS:
        raise InvalidInput(f"mode {mode!r}: it is update or recovery")
    spec = CardSpec.parse(
        cells["mac"],
        _FIRMWARE_PATHS[mode],
        model=cells["model"],
        channel=cells.get("channel"),
        version=cells.get("version"),
    )
    name = cells["firmware"]
    if not name:
        raise InvalidInput("no firmware is named")
    if name not in firmwares:
        firmware = load_firmware([folder / name], force=force_firmware)
        firmwares[name] = (firmware, firmware.compute_sha256(progress))
    firmware, sha256 = firmwares[name]
    if cells.get("sha256") and parse_sha256(cells["sha256"]) != sha256:
        raise InvalidInput(f"firmware {name}: its SHA-256 is {sha256.hex()}, not the one in the list")
    return ListedCard(line, spec, firmware, sha256)
