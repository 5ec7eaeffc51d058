"""Checks of an exFAT volume's structure, one by one; the usual checking programs accept much that is damaged."""

from firmware_tools.block_device import CHUNK_SIZE
from firmware_tools.errors import CardFault
from firmware_tools.exfat.boot import BOOT_REGION_SIZE, boot_regions_match
from firmware_tools.exfat.checksum import checksum32
from firmware_tools.exfat.entries import Allocation
from firmware_tools.exfat.fat import RESERVED_ENTRIES
from firmware_tools.exfat.geometry import FIRST_CLUSTER
from firmware_tools.exfat.upcase import upcase_name
from firmware_tools.exfat.volume import ClusterRun, ExfatVolume, LocatedEntry, RootFolder
from firmware_tools.language import message

_MAX_UPCASE_TABLE_SIZE = 2 * 65536


def check_backup(volume: ExfatVolume) -> None:
    """Raise `CardFault` unless the backup boot region and the start of the allocation table are as they should be."""
    start = volume.geometry.partition_offset
    main, backup = (volume.device.read(start + offset, BOOT_REGION_SIZE) for offset in (0, BOOT_REGION_SIZE))
    if not boot_regions_match(main, backup):
        raise CardFault(
            message("backup boot region: it differs from the main one; the card may not be written to its end")
        )
    if (volume.read_fat_entry(0), volume.read_fat_entry(1)) != RESERVED_ENTRIES:
        raise CardFault(message("allocation table: its first two entries are damaged"))


def check_folders(volume: ExfatVolume, root: RootFolder) -> dict[str, list[LocatedEntry]]:
    """Read all folders; raise `CardFault` unless each cluster in use has one owner and is marked in the bitmap.

    Returns the content of each folder by its path; the root folder's path is empty.
    """
    if len(root.bitmaps) != 1 or len(root.upcase_tables) != 1:
        raise CardFault(message("root folder: it lacks the allocation bitmap or the up-case table, or has two"))
    used = bytearray(volume.geometry.bitmap_size)
    bitmap, table = root.bitmaps[0], root.upcase_tables[0]
    _claim(used, volume.read_chain("root folder", volume.boot_region.root_cluster, None), "root folder")
    if bitmap.length != len(used):
        raise CardFault(message("allocation bitmap: its length does not fit the volume"))
    bitmap_runs = _claim_allocation(volume, used, bitmap, "allocation bitmap")
    if not 0 < table.length <= _MAX_UPCASE_TABLE_SIZE:
        raise CardFault(message("up-case table: its length is impossible"))
    table_runs = _claim_allocation(volume, used, table, "up-case table")
    if checksum32(b"".join(volume.read_content(table_runs, table.length, CHUNK_SIZE))) != table.checksum:
        raise CardFault(message("up-case table: its checksum does not match"))
    folders = {"": root.entries}
    pending = [root.entries]
    while pending:
        entries = pending.pop()
        _check_names(entries)
        for entry in entries:
            _claim(used, volume.find_clusters(entry), entry.path)
            if entry.file.is_folder:
                folders[entry.path] = volume.read_folder(entry)
                pending.append(folders[entry.path])
    marked = b"".join(volume.read_content(bitmap_runs, bitmap.length, CHUNK_SIZE))
    _check_bitmap(used, marked, volume.geometry.cluster_count)
    return folders


def _claim_allocation(volume: ExfatVolume, used: bytearray, allocation: Allocation, name: str) -> list[ClusterRun]:
    runs = volume.read_chain(name, allocation.first_cluster, allocation.length)
    _claim(used, runs, name)
    return runs


def _claim(used: bytearray, runs: list[ClusterRun], name: str) -> None:
    """Mark clusters as used; raise `CardFault` if one is used already."""
    for run in runs:
        for cluster in run.clusters:
            byte, bit = divmod(cluster - FIRST_CLUSTER, 8)
            if used[byte] >> bit & 1:
                raise CardFault(message("{name}: it shares clusters with something else", name=name))
            used[byte] |= 1 << bit


def _check_bitmap(used: bytearray, marked: bytes, cluster_count: int) -> None:
    unused_bits = -cluster_count % 8  # the upper bits of the last byte stand for no cluster
    last = bytes((marked[-1] & 0xFF >> unused_bits,))
    if marked[:-1] + last != used:
        raise CardFault(message("allocation bitmap: it does not mark exactly the clusters that are in use"))


def _check_names(entries: list[LocatedEntry]) -> None:
    seen: set[str] = set()
    for entry in entries:
        name = upcase_name(entry.file.name)
        if name in seen:
            raise CardFault(message("{entry_path}: there are two of this name", entry_path=entry.path))
        seen.add(name)
