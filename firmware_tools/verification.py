"""Reading a card back and saying whether it is what it should be; the first fault is named.

The file system's own checkers accept much that is damaged, so the structures are checked here, one by one. A card
that still carries our record and nothing else is moreover compared, byte for byte, with what was written.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from firmware_tools.card import CardFile, CardRecord
from firmware_tools.errors import CardFaulty
from firmware_tools.exfat.boot import BOOT_SIZE, same_boot_region
from firmware_tools.exfat.entries import Allocation
from firmware_tools.exfat.geometry import FIRST_CLUSTER
from firmware_tools.exfat.upcase import table_checksum, upcase
from firmware_tools.exfat.volume import Found, Root, Run, Volume
from firmware_tools.layout import Layout, Piece
from firmware_tools.mac import Mac
from firmware_tools.medium import CHUNK, Medium
from firmware_tools.progress import Progress
from firmware_tools.size import MIB

_LARGEST_UPCASE_TABLE = 2 * 65536
_DROPPED_BY_SYSTEMS = {
    "SYSTEM VOLUME INFORMATION",
    "$RECYCLE.BIN",
    ".FSEVENTSD",
    ".SPOTLIGHT-V100",
    ".TRASHES",
    ".TEMPORARYITEMS",
    ".DS_STORE",
}


def is_system_litter(name: str) -> bool:
    """Tell whether a file or folder is one that Windows or macOS drops on every card; cameras do not mind it."""
    return upcase(name) in _DROPPED_BY_SYSTEMS or name.startswith("._")


@dataclass(slots=True)
class Findings:
    """What is known of a card; what was not reached before the first fault stays None."""

    fault: str | None = None
    label: str | None = None
    file: CardFile | None = None
    size: int | None = None
    sha256: str | None = None
    record: CardRecord | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether the camera can be given this card."""
        return self.fault is None


def verify_card(
    medium: Medium, *, progress: Progress, mac: Mac | None = None, expected_sha256: bytes | None = None
) -> Findings:
    """Read a card or an image back and check everything that matters; raise only `MediumFailed`."""
    findings = Findings()
    try:
        medium.forget()
        _verify(medium, findings, progress, mac, expected_sha256)
    except CardFaulty as fault:
        findings.fault = str(fault)
    return findings


def _verify(
    medium: Medium, findings: Findings, progress: Progress, mac: Mac | None, expected_sha256: bytes | None
) -> None:
    volume = Volume(medium)
    volume.boot.check_flags()
    findings.record = record = CardRecord.from_oem_parameters(volume.boot.oem_parameters)
    _check_backup(volume)
    root = volume.root()
    folders = _check_structure(volume, root)
    _check_label(findings, root, mac)
    found = _firmware_file(findings, folders)
    findings.file, findings.size = CardFile(found.path), found.item.length
    _check_record(findings, mac, found)
    if not found.item.length or found.item.valid_length != found.item.length:
        raise CardFaulty(f"{found.path}: the file is empty or was not written to its end")
    if record is not None and not findings.notes:
        _compare_metadata(volume, record, found)
    findings.sha256 = _sha256(volume, found, progress)
    _check_content(findings, found, expected_sha256)
    if found.path == CardFile.UPDATE_AS_MISPRINTED.value:
        findings.notes.append(
            "the file is named ip-up.bin, as the vendor's page once has it; cameras expect ipc-up.bin"
        )


def _check_backup(volume: Volume) -> None:
    start = volume.geometry.partition_offset
    main, backup = (volume.medium.read(start + offset, BOOT_SIZE) for offset in (0, BOOT_SIZE))
    if not same_boot_region(main, backup):
        raise CardFaulty("backup boot region: it differs from the main one; the card may not be written to its end")
    if volume.table_entry(0) != 0xFFFFFFF8 or volume.table_entry(1) != 0xFFFFFFFF:
        raise CardFaulty("allocation table: its first two entries are damaged")


def _check_structure(volume: Volume, root: Root) -> dict[str, list[Found]]:
    """Check that all clusters have one owner and are marked so; return the folders by path, the root's path empty."""
    if len(root.bitmaps) != 1 or len(root.upcases) != 1:
        raise CardFaulty("root folder: it lacks the allocation bitmap or the up-case table, or has two")
    used = bytearray(volume.geometry.bitmap_size)
    bitmap, table = root.bitmaps[0], root.upcases[0]
    _own(used, volume.runs("root folder", volume.boot.root_cluster, None, contiguous=False), "root folder")
    if bitmap.length != len(used):
        raise CardFaulty("allocation bitmap: its length does not fit the volume")
    bitmap_runs = _system_runs(volume, used, bitmap, "allocation bitmap")
    if not 0 < table.length <= _LARGEST_UPCASE_TABLE:
        raise CardFaulty("up-case table: its length is impossible")
    table_runs = _system_runs(volume, used, table, "up-case table")
    if table_checksum(b"".join(volume.content(table_runs, table.length, CHUNK))) != table.checksum:
        raise CardFaulty("up-case table: its checksum does not match")
    folders = {"": root.found}
    waiting = [root.found]
    while waiting:
        items = waiting.pop()
        _check_names(items)
        for found in items:
            _own(used, volume.runs_of(found), found.path)
            if found.item.is_folder:
                folders[found.path] = volume.folder(found)
                waiting.append(folders[found.path])
    marked = b"".join(volume.content(bitmap_runs, bitmap.length, CHUNK))
    _check_bitmap(used, marked, volume.geometry.clusters)
    return folders


def _system_runs(volume: Volume, used: bytearray, allocation: Allocation, name: str) -> list[Run]:
    runs = volume.runs(name, allocation.first_cluster, allocation.length, contiguous=False)
    _own(used, runs, name)
    return runs


def _own(used: bytearray, runs: list[Run], name: str) -> None:
    for run in runs:
        for index in range(run.cluster - FIRST_CLUSTER, run.cluster - FIRST_CLUSTER + run.count):
            if used[index >> 3] >> (index & 7) & 1:
                raise CardFaulty(f"{name}: it shares clusters with something else")
            used[index >> 3] |= 1 << (index & 7)


def _check_bitmap(used: bytearray, marked: bytes, clusters: int) -> None:
    spare = -clusters % 8  # the last byte's upper bits stand for no cluster
    last = bytes((marked[-1] & 0xFF >> spare,))
    if marked[:-1] + last != used:
        raise CardFaulty("allocation bitmap: it does not mark exactly the clusters that are in use")


def _check_names(items: list[Found]) -> None:
    seen: set[str] = set()
    for found in items:
        name = upcase(found.item.name)
        if name in seen:
            raise CardFaulty(f"{found.path}: there are two of this name")
        seen.add(name)


def _check_label(findings: Findings, root: Root, mac: Mac | None) -> None:
    if len(root.labels) != 1:
        raise CardFaulty("volume label: the card has none" if not root.labels else "volume label: the card has two")
    findings.label = label = root.labels[0]
    recorded = findings.record.card.mac if findings.record else None
    for expected, reason in ((mac, "as given"), (recorded, "as recorded on the card")):
        if expected is not None and label != expected.label:
            raise CardFaulty(f"volume label: it is {label!r}; camera {expected} ({reason}) needs {expected.label}")
    if mac is None and recorded is None:
        digits = label.removeprefix("SUNMI-")
        if label == digits or len(digits) != 4 or not set(digits) <= set("0123456789ABCDEF"):
            raise CardFaulty(f"volume label: it is {label!r}, not SUNMI- and four hex digits in capitals")


def _firmware_file(findings: Findings, folders: dict[str, list[Found]]) -> Found:
    """Return the one firmware file; anything else that is not a system's litter is a fault."""
    files: list[Found] = []
    foreign: list[str] = []
    for items in folders.values():
        for found in items:
            top = found.path.split("/")[0]
            if is_system_litter(top) or is_system_litter(found.item.name):
                if found.path == top or top == "firmware":
                    findings.notes.append(f"a computer left {found.path} on the card; cameras do not mind it")
            elif found.path in {file.value for file in CardFile} and not found.item.is_folder:
                files.append(found)
            elif found.path != "firmware" or not found.item.is_folder:
                foreign.append(found.path)
    if len(files) > 1:
        raise CardFaulty(f"{' and '.join(found.path for found in files)}: only one of them may be on a card")
    if not files and not foreign:
        raise CardFaulty("firmware: there is no firmware file on the card")
    if foreign:
        raise CardFaulty(f"{foreign[0]}: it does not belong on a firmware card")
    if "/" not in files[0].path and "firmware" in folders:
        raise CardFaulty("firmware: this folder does not belong on a recovery card")
    return files[0]


def _check_record(findings: Findings, mac: Mac | None, found: Found) -> None:
    record = findings.record
    if record is None:
        return
    if mac is not None and record.card.mac != mac:
        raise CardFaulty(f"MAC address: the card was written for {record.card.mac}, not for {mac}")
    if record.card.file.value != found.path:
        raise CardFaulty(f"{found.path}: the card was written with {record.card.file.value}")


def _check_content(findings: Findings, found: Found, expected: bytes | None) -> None:
    recorded = findings.record.sha256 if findings.record else None
    if expected is not None and findings.sha256 != expected.hex():
        raise CardFaulty(f"{found.path}: its SHA-256 is {findings.sha256}, not the expected {expected.hex()}")
    if recorded is not None and findings.sha256 != recorded.hex():
        raise CardFaulty(f"{found.path}: its SHA-256 is {findings.sha256}, but {recorded.hex()} was written")
    if expected is None and recorded is None:
        findings.notes.append("the content was compared with nothing: give --firmware or --sha256")


def _sha256(volume: Volume, found: Found, progress: Progress) -> str:
    digest = hashlib.sha256()
    with progress.phase("Reading back", found.item.length) as advance:
        for part in volume.content(volume.runs_of(found), found.item.length, MIB):
            digest.update(part)
            advance(len(part))
    return digest.hexdigest()


def _compare_metadata(volume: Volume, record: CardRecord, found: Found) -> None:
    layout = Layout(volume.geometry, record.card.mac.label, found.path, found.item.length, found.item.stamp)
    for piece in _pieces(layout, record):
        if not _holds(volume.medium, piece):
            raise CardFaulty(f"{piece.name}: it was changed after the card was written; write the card again")


def _pieces(layout: Layout, record: CardRecord) -> Iterator[Piece]:
    yield layout.partition_table(record)
    yield from layout.boot_regions(record)
    yield from layout.metadata()


def _holds(medium: Medium, piece: Piece) -> bool:
    for start in range(0, piece.length, CHUNK):
        length = min(CHUNK, piece.length - start)
        if medium.read(piece.offset + start, length) != piece.data[start : start + length].ljust(length, b"\0"):
            return False
    return True
