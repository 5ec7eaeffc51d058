"""The list of cards to make: a CSV file, checked as a whole before anything is written."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from firmware_tools.card import Card, CardFile
from firmware_tools.errors import CardError, InputRefused, MediumFailed
from firmware_tools.firmware import Firmware, describe_card, load_firmware, parse_sha256
from firmware_tools.mac import Mac
from firmware_tools.progress import Progress

_REQUIRED = ("mac", "model", "firmware")
_OPTIONAL = ("channel", "version", "sha256", "mode")
_MODES = {"": CardFile.UPDATE, "update": CardFile.UPDATE, "recovery": CardFile.RECOVERY}


@dataclass(frozen=True, slots=True)
class EventFilter:
    """One card of the list."""

    line: int
    card: Card
    firmware: Firmware
    sha256: bytes


def read_plan(path: Path, progress: Progress) -> list[EventFilter]:
    """Read a list of cards; raise `InputRefused` naming every line that is wrong.

    Columns are mac, model, firmware (a path from the list's own folder), and if wanted channel, version, sha256, mode.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputRefused(f"{path}: it is no text in UTF-8; save the list as CSV (UTF-8)") from error
    except FileNotFoundError as error:
        raise InputRefused(f"{path}: there is no such list") from error
    except OSError as error:
        raise MediumFailed.during("reading", str(path), error) from error
    first = text.partition("\n")[0]
    rows = csv.DictReader(text.splitlines(), delimiter=";" if first.count(";") > first.count(",") else ",")
    columns = [str(name).strip().lower() for name in rows.fieldnames or ()]
    missing = [name for name in _REQUIRED if name not in columns]
    strange = [name for name in columns if name not in _REQUIRED + _OPTIONAL]
    if missing or strange or len(set(columns)) < len(columns):
        what = (
            f"column {missing[0]} is missing" if missing else f"column {strange[0]!r} is not known" if strange else ""
        )
        raise InputRefused(f"{path}: {what or 'a column comes twice'}; its first line has to be: mac,model,firmware")
    rows.fieldnames = columns
    plan, faults = _read_rows(path, rows, progress)
    if faults:
        raise InputRefused(f"{path}: " + "; ".join(faults))
    if not plan:
        raise InputRefused(f"{path}: the list is empty")
    return plan


def same_labels(plan: list[EventFilter]) -> list[str]:
    """Return a note for each label that several cameras share: their cards look alike."""
    cameras: dict[str, list[str]] = {}
    for wanted in plan:
        cameras.setdefault(wanted.card.mac.label, []).append(str(wanted.card.mac))
    return [
        f"{' and '.join(macs)} have the same label {label}: keep their cards apart"
        for label, macs in cameras.items()
        if len(macs) > 1
    ]


def _read_rows(path: Path, rows: "csv.DictReader[str]", progress: Progress) -> tuple[list[EventFilter], list[str]]:
    plan: list[EventFilter] = []
    faults: list[str] = []
    firmwares: dict[str, tuple[Firmware, bytes]] = {}
    lines: dict[Mac, int] = {}
    for row in rows:
        cells = {name: (value or "").strip() for name, value in row.items() if isinstance(name, str)}
        if not any(cells.values()):
            continue
        try:
            if None in row:
                raise InputRefused("it has more fields than the first line")
            wanted = _wanted(rows.line_num, cells, path.parent, firmwares, progress)
            earlier = lines.setdefault(wanted.card.mac, rows.line_num)
            if earlier != rows.line_num:
                raise InputRefused(f"the camera {wanted.card.mac} is already in line {earlier}")
            plan.append(wanted)
        except CardError as error:
            faults.append(f"line {rows.line_num}: {error}")
    return plan, faults


def _wanted(
    line: int,
    cells: Mapping[str, str],
    folder: Path,
    firmwares: dict[str, tuple[Firmware, bytes]],
    progress: Progress,
) -> EventFilter:
    mode = cells.get("mode", "").lower()
    if mode not in _MODES:
        raise InputRefused(f"mode {mode!r}: it is update or recovery")
    card = describe_card(
        Card(Mac.parse(cells["mac"]), _MODES[mode]), cells["model"], cells.get("channel"), cells.get("version")
    )
    name = cells["firmware"]
    if not name:
        raise InputRefused("no firmware is named")
    if name not in firmwares:
        loaded = load_firmware([folder / name])
        firmwares[name] = (loaded, loaded.sha256(progress))
    firmware, sha256 = firmwares[name]
    if cells.get("sha256") and parse_sha256(cells["sha256"]) != sha256:
        raise InputRefused(f"firmware {name}: its SHA-256 is {sha256.hex()}, not the one in the list")
    return EventFilter(line, card, firmware, sha256)
