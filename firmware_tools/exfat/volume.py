"""Reading an exFAT volume of any origin: folders, files, and the clusters that they use."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from firmware_tools.block_device import BlockDevice
from firmware_tools.errors import CardFault
from firmware_tools.exfat.boot import BOOT_REGION_SIZE, BootRegion
from firmware_tools.exfat.entries import (
    BENIGN,
    ENTRY_SIZE,
    IN_USE,
    SECONDARY,
    Allocation,
    EntryType,
    FileEntry,
    parse_label_entry,
)
from firmware_tools.exfat.fat import END_OF_CHAIN
from firmware_tools.exfat.geometry import Geometry
from firmware_tools.exfat.partitions import find_exfat_volume
from firmware_tools.language import describe_error, message
from firmware_tools.size import MIB, SECTOR_SIZE

_MAX_FOLDER_SIZE = 16 * MIB
_MAX_FOLDER_STEP = 64 << 10
"""How much of a folder is read at a time: its clusters may have 32 MiB, of which the start is used."""
_FAT_WINDOW_SIZE = 64 << 10


@dataclass(frozen=True, slots=True)
class ClusterRun:
    """Clusters that follow one another."""

    first: int
    """Number of the first cluster."""
    count: int
    """How many clusters."""

    @property
    def clusters(self) -> range:
        """Their numbers."""
        return range(self.first, self.first + self.count)


@dataclass(frozen=True, slots=True)
class LocatedEntry:
    """A file or folder on a volume."""

    path: str
    """Path from the root folder."""
    file: FileEntry
    """Its set of entries."""
    entry_offsets: tuple[int, ...]
    """Where its entries lie, in bytes from the start of the disk."""


class _EntrySet(NamedTuple):
    """A primary entry and its secondary entries, not yet parsed."""

    type: int
    """Type of the primary entry."""
    data: bytes
    """All entries."""
    offsets: tuple[int, ...]
    """Where each entry lies, in bytes from the start of the disk."""


@dataclass(slots=True)
class RootFolder:
    """The content of the root folder. A sound volume has one label, bitmap and up-case table; a damaged one may not."""

    labels: list[str] = field(default_factory=list)
    """Volume labels."""
    bitmaps: list[Allocation] = field(default_factory=list)
    """Allocation bitmaps."""
    upcase_tables: list[Allocation] = field(default_factory=list)
    """Up-case tables."""
    entries: list[LocatedEntry] = field(default_factory=list)
    """Files and folders."""


class ExfatVolume:
    """The exFAT volume of a card of any layout. Opening it checks the boot region, and raises `CardFault`."""

    def __init__(self, device: BlockDevice) -> None:
        self.device = device
        partition, self.layout_fault = find_exfat_volume(device)
        boot_region = device.read(partition.start * SECTOR_SIZE, BOOT_REGION_SIZE)
        try:
            self.boot_region = BootRegion.parse(boot_region, partition)
        except CardFault as fault:
            raise CardFault(self.layout_fault or describe_error(fault)) from fault
        self._fat_window = (0, b"")

    @property
    def geometry(self) -> Geometry:
        """Where the parts of the volume lie."""
        return self.boot_region.geometry

    def read_fat_entry(self, cluster: int) -> int:
        """Return what the allocation table says of a cluster: the next one of its chain."""
        position = cluster * 4
        start, window = self._fat_window
        if not start <= position < start + len(window):
            start = position // _FAT_WINDOW_SIZE * _FAT_WINDOW_SIZE
            length = min(_FAT_WINDOW_SIZE, self.geometry.fat_size - start)
            window = self.device.read(self.geometry.fat_offset + start, length)
            self._fat_window = (start, window)
        entry: int = struct.unpack_from("<I", window, position - start)[0]
        return entry

    def read_chain(self, name: str, first: int, length: int | None) -> list[ClusterRun]:
        """Follow a chain in the allocation table and return its clusters.

        `length` is in bytes; only that of the root folder is not known.

        Raises:
            CardFault: the chain is broken, or has another length.

        """
        if length == 0 and first == 0:
            return []
        self._check_first_cluster(name, first)
        runs: list[ClusterRun] = []
        cluster, count = first, 0
        while cluster != END_OF_CHAIN:
            count += 1
            if not self.geometry.has_cluster(cluster) or count > self.geometry.cluster_count:
                raise CardFault(message("{name}: its chain in the allocation table is broken", name=name))
            if runs and cluster == runs[-1].first + runs[-1].count:
                runs[-1] = ClusterRun(runs[-1].first, runs[-1].count + 1)
            else:
                runs.append(ClusterRun(cluster, 1))
            cluster = self.read_fat_entry(cluster)
        expected = None if length is None else self.geometry.clusters_for(length)
        if expected is not None and count != expected:
            raise CardFault(
                message(
                    "{name}: the length of its chain in the allocation table is {count} instead of {expected}",
                    name=name,
                    count=count,
                    expected=expected,
                )
            )
        return runs

    def find_clusters(self, entry: LocatedEntry) -> list[ClusterRun]:
        """Return the clusters of a file or folder; raise `CardFault` if they cannot be its clusters."""
        file = entry.file
        count = self.geometry.clusters_for(file.length)
        if not file.is_contiguous or not count:
            return self.read_chain(entry.path, file.first_cluster, file.length)
        self._check_first_cluster(entry.path, file.first_cluster)
        if not self.geometry.has_cluster(file.first_cluster + count - 1):
            raise CardFault(message("{entry_path}: it reaches past the end of the volume", entry_path=entry.path))
        return [ClusterRun(file.first_cluster, count)]

    def read_content(self, runs: list[ClusterRun], length: int, step: int) -> Iterator[bytes]:
        """Yield `length` bytes from these clusters, at most `step` at a time."""
        for run in runs:
            offset, remaining = self.geometry.cluster_offset(run.first), run.count * self.geometry.cluster_size
            while remaining and length:
                data = self.device.read(offset, min(step, remaining, length))
                yield data
                offset, remaining, length = offset + len(data), remaining - len(data), length - len(data)

    def read_root(self) -> RootFolder:
        """Read the root folder; raise `CardFault` if it is damaged."""
        root = RootFolder()
        runs = self.read_chain("root folder", self.boot_region.root_cluster, None)
        for entry_set in self._read_entry_sets(runs, "root folder"):
            if entry_set.type == EntryType.LABEL:
                root.labels.append(parse_label_entry(entry_set.data))
            elif entry_set.type == EntryType.BITMAP:
                root.bitmaps.append(Allocation.parse(entry_set.data))
            elif entry_set.type == EntryType.UPCASE_TABLE:
                root.upcase_tables.append(Allocation.parse(entry_set.data))
            else:
                root.entries += _locate(entry_set, "")
        return root

    def read_folder(self, folder: LocatedEntry) -> list[LocatedEntry]:
        """Read a folder below the root folder; raise `CardFault` if it is damaged."""
        entry_sets = self._read_entry_sets(self.find_clusters(folder), folder.path)
        return [entry for entry_set in entry_sets for entry in _locate(entry_set, f"{folder.path}/")]

    def _check_first_cluster(self, name: str, cluster: int) -> None:
        if not self.geometry.has_cluster(cluster):
            raise CardFault(message("{name}: it begins outside the volume", name=name))

    def _read_entry_sets(self, runs: list[ClusterRun], folder: str) -> Iterator[_EntrySet]:
        """Yield each primary entry in use, together with its secondary entries."""
        entries = self._read_entries(runs, folder)
        for offset, primary in entries:
            if primary[0] == EntryType.END:
                break
            if not primary[0] & IN_USE:
                continue
            if primary[0] & SECONDARY:
                raise CardFault(message("{folder}: a part of an entry stands alone", folder=folder))
            parts, offsets = [primary], [offset]
            if primary[0] not in (EntryType.LABEL, EntryType.BITMAP, EntryType.UPCASE_TABLE):
                for _ in range(primary[1]):
                    offset, secondary = next(entries, (0, b"\0"))
                    if secondary[0] & (IN_USE | SECONDARY) != IN_USE | SECONDARY:
                        raise CardFault(message("{folder}: an entry lacks some of its parts", folder=folder))
                    parts.append(secondary)
                    offsets.append(offset)
            yield _EntrySet(primary[0], b"".join(parts), tuple(offsets))
        for _, entry in entries:
            if entry[0] & IN_USE:
                raise CardFault(message("{folder}: there are entries after its end", folder=folder))

    def _read_entries(self, runs: list[ClusterRun], folder: str) -> Iterator[tuple[int, bytes]]:
        """Yield the offset and the bytes of each entry, and of what follows the end and is not zero, up to a limit."""
        step = min(_MAX_FOLDER_STEP, self.geometry.cluster_size)
        position, is_ended = 0, False
        for run in runs:
            run_offset = self.geometry.cluster_offset(run.first)
            for offset in range(run_offset, run_offset + run.count * self.geometry.cluster_size, step):
                data = self.device.read(offset, step)
                is_empty = is_ended and data.count(0) == len(data)
                for start in () if is_empty else range(0, len(data), ENTRY_SIZE):
                    entry = data[start : start + ENTRY_SIZE]
                    is_ended |= entry[0] == EntryType.END
                    yield offset + start, entry
                position += len(data)
                if position >= _MAX_FOLDER_SIZE:
                    if not is_ended:
                        raise CardFault(
                            message("{folder}: it is larger than the folders of a firmware card can be", folder=folder)
                        )
                    return


def _locate(entry_set: _EntrySet, parent: str) -> Iterator[LocatedEntry]:
    """Yield the file or folder that a set of entries describes; nothing for a benign one of an unknown type."""
    folder = parent.rstrip("/") or "root folder"
    if entry_set.type == EntryType.FILE:
        file = FileEntry.parse(entry_set.data, folder)
        yield LocatedEntry(parent + file.name, file, entry_set.offsets)
    elif not entry_set.type & BENIGN:
        raise CardFault(
            message("{folder}: it holds an entry of the unknown type 0x{type:02X}", folder=folder, type=entry_set.type)
        )
