"""Removing the firmware from a card after the update, so that the camera does not update again."""

import struct

from firmware_tools.block_device import CHUNK_SIZE, BlockDevice
from firmware_tools.errors import CardFault
from firmware_tools.exfat.boot import FLAG_DIRTY, FLAGS_OFFSET, PERCENT_OFFSET, compute_percent_used
from firmware_tools.exfat.entries import ENTRY_SIZE, IN_USE
from firmware_tools.exfat.geometry import FIRST_CLUSTER
from firmware_tools.exfat.volume import ClusterRun, ExfatVolume, LocatedEntry, RootFolder
from firmware_tools.language import message
from firmware_tools.size import SECTOR_SIZE
from firmware_tools.verification import (
    FIRMWARE_FOLDER,
    find_firmware_path,
    is_firmware_with_doubled_ending,
    is_same_name,
)


def remove_firmware(device: BlockDevice) -> list[str]:
    """Remove every firmware file of either mode, also misnamed `….bin.bin`; return the paths of the removed files.

    The layout of the card makes no difference.
    The volume is marked dirty meanwhile. A file disappears with one write; only then its clusters are freed.

    Raises:
        CardFault: the card is not exFAT, or too damaged to be changed safely; nothing was changed.
        IOFailed: the card cannot be read or written.

    """
    volume = ExfatVolume(device)
    root = volume.read_root()
    if len(root.bitmaps) != 1:
        raise CardFault(message("root folder: it lacks the allocation bitmap, or has two"))
    files = _find_firmware(volume, root)
    if not files:
        return []
    freed_runs = [run for file in files for run in volume.find_clusters(file)]
    bitmap = root.bitmaps[0]
    bitmap_runs = volume.read_chain("allocation bitmap", bitmap.first_cluster, bitmap.length)
    if bitmap.length != volume.geometry.bitmap_size:
        raise CardFault(message("allocation bitmap: its length does not fit the volume"))
    marked = bytearray().join(volume.read_content(bitmap_runs, bitmap.length, CHUNK_SIZE))
    _mark_free(marked, freed_runs)
    _write_volume_state(volume, volume.boot_region.flags | FLAG_DIRTY, volume.boot_region.percent_used)
    device.sync()
    for file in files:
        _delete_entries(device, file)
    device.sync()
    _write_bitmap(volume, bitmap_runs, marked)
    device.sync()
    used_clusters = sum(byte.bit_count() for byte in marked)
    percent_used = compute_percent_used(used_clusters, volume.geometry.cluster_count)
    _write_volume_state(volume, volume.boot_region.flags, percent_used)
    device.sync()
    return [file.path for file in files]


def _find_firmware(volume: ExfatVolume, root: RootFolder) -> list[LocatedEntry]:
    entries = list(root.entries)
    for entry in root.entries:
        if entry.file.is_folder and is_same_name(entry.path, FIRMWARE_FOLDER):
            entries += volume.read_folder(entry)
    files = [entry for entry in entries if not entry.file.is_folder]
    return [file for file in files if find_firmware_path(file.path) or is_firmware_with_doubled_ending(file.path)]


def _mark_free(marked: bytearray, runs: list[ClusterRun]) -> None:
    for run in runs:
        for cluster in run.clusters:
            byte, bit = divmod(cluster - FIRST_CLUSTER, 8)
            marked[byte] &= ~(1 << bit)


def _delete_entries(device: BlockDevice, file: LocatedEntry) -> None:
    """Mark the entries of a file as unused: with one write if they are adjacent, as they nearly always are."""
    first, count = file.entry_offsets[0], len(file.entry_offsets)
    are_adjacent = file.entry_offsets == tuple(range(first, first + count * ENTRY_SIZE, ENTRY_SIZE))
    blocks = [(first, count)] if are_adjacent else [(offset, 1) for offset in file.entry_offsets]
    for offset, entry_count in blocks:
        entries = bytearray(device.read(offset, entry_count * ENTRY_SIZE))
        for start in range(0, len(entries), ENTRY_SIZE):
            entries[start] &= ~IN_USE
        device.write(offset, entries)


def _write_bitmap(volume: ExfatVolume, runs: list[ClusterRun], marked: bytearray) -> None:
    position = 0
    for run in runs:
        part = marked[position : position + run.count * volume.geometry.cluster_size]
        volume.device.write(volume.geometry.cluster_offset(run.first), part)
        position += len(part)


def _write_volume_state(volume: ExfatVolume, flags: int, percent_used: int) -> None:
    """Write the two fields of the boot sector that its checksum leaves out."""
    offset = volume.geometry.partition_offset
    sector = bytearray(volume.device.read(offset, SECTOR_SIZE))
    struct.pack_into("<H", sector, FLAGS_OFFSET, flags)
    struct.pack_into("<B", sector, PERCENT_OFFSET, percent_used)
    volume.device.write(offset, sector)
