"""Removing the firmware from a card after the update, so that the camera does not update again."""

import struct

from firmware_tools.card import CardFile
from firmware_tools.errors import CardFaulty
from firmware_tools.exfat.boot import DIRTY, FLAGS_AT, PERCENT_AT, percent_used
from firmware_tools.exfat.entries import ENTRY, IN_USE
from firmware_tools.exfat.geometry import FIRST_CLUSTER, SECTOR
from firmware_tools.exfat.upcase import upcase
from firmware_tools.exfat.volume import Found, Run, Volume
from firmware_tools.medium import CHUNK, Medium


def clean_card(medium: Medium) -> list[str]:
    """Remove every firmware file, whatever mode it is for; return the paths, none if the card was clean.

    Everything else on the card stays. The file disappears with one write; only then its clusters are given free.

    Raises:
        CardFaulty: this is no exFAT card, or it is too damaged to be changed safely.
        MediumFailed: it cannot be read or written.

    """
    volume = Volume(medium)
    root = volume.root()
    if len(root.bitmaps) != 1:
        raise CardFaulty("root folder: it lacks the allocation bitmap, or has two")
    items = list(root.found)
    for found in root.found:
        if found.item.is_folder and upcase(found.item.name) == "FIRMWARE":
            items += volume.folder(found)
    names = {upcase(file.value) for file in CardFile}
    files = [found for found in items if upcase(found.path) in names and not found.item.is_folder]
    if not files:
        return []
    freed = [run for found in files for run in volume.runs_of(found)]
    bitmap = root.bitmaps[0]
    bitmap_runs = volume.runs("allocation bitmap", bitmap.first_cluster, bitmap.length, contiguous=False)
    if bitmap.length != volume.geometry.bitmap_size:
        raise CardFaulty("allocation bitmap: its length does not fit the volume")
    marked = bytearray().join(volume.content(bitmap_runs, bitmap.length, CHUNK))
    _mark_free(marked, freed)
    _write_state(volume, volume.boot.flags | DIRTY, volume.boot.percent_used)
    medium.sync()
    for found in files:
        _unlink(medium, found)
    medium.sync()
    position = 0
    for run in bitmap_runs:
        part = marked[position : position + run.count * volume.geometry.cluster_size]
        medium.write(volume.geometry.cluster_offset(run.cluster), part)
        position += len(part)
    medium.sync()
    used = sum(byte.bit_count() for byte in marked)
    _write_state(volume, volume.boot.flags, percent_used(used, volume.geometry.clusters))
    medium.sync()
    return [found.path for found in files]


def _mark_free(marked: bytearray, freed: list[Run]) -> None:
    for run in freed:
        for index in range(run.cluster - FIRST_CLUSTER, run.cluster - FIRST_CLUSTER + run.count):
            marked[index >> 3] &= ~(1 << (index & 7))


def _unlink(medium: Medium, found: Found) -> None:
    """Mark the entries unused: all with one write if they lie side by side, as they nearly always do."""
    first, count = found.entries_at[0], len(found.entries_at)
    side_by_side = found.entries_at == tuple(range(first, first + count * ENTRY, ENTRY))
    for start, length in [(first, count * ENTRY)] if side_by_side else [(at, ENTRY) for at in found.entries_at]:
        entries = bytearray(medium.read(start, length))
        for offset in range(0, length, ENTRY):
            entries[offset] &= ~IN_USE
        medium.write(start, entries)


def _write_state(volume: Volume, flags: int, percent: int) -> None:
    """Change the two fields of the boot sector that its checksum leaves out."""
    start = volume.geometry.partition_offset
    sector = bytearray(volume.medium.read(start, SECTOR))
    struct.pack_into("<H", sector, FLAGS_AT, flags)
    struct.pack_into("<B", sector, PERCENT_AT, percent)
    volume.medium.write(start, sector)
