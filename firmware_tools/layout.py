"""Everything on a finished card but the firmware's own bytes: what goes where."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from firmware_tools.card import CardRecord
from firmware_tools.errors import InputRefused
from firmware_tools.exfat.boot import BOOT_SIZE, BootRegion, percent_used
from firmware_tools.exfat.entries import Item, Stamp, bitmap_entry, label_entry, upcase_entry
from firmware_tools.exfat.geometry import FIRST_CLUSTER, Geometry
from firmware_tools.exfat.partition import partition_table
from firmware_tools.exfat.upcase import UPCASE_TABLE
from firmware_tools.size import show_size

_LAST_IN_CHAIN = 0xFFFFFFFF
_FAT_HEAD = (0xFFFFFFF8, 0xFFFFFFFF)


class Piece(NamedTuple):
    """A stretch of a card: `data` at `offset`, zeros after it up to `length`."""

    name: str
    offset: int
    data: bytes
    length: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A card of a given geometry that carries one file of `length` bytes at `path` (with at most one folder)."""

    geometry: Geometry
    label: str
    path: str
    length: int
    stamp: Stamp

    def check_room(self) -> None:
        """Raise `InputRefused` if the file does not fit on the card."""
        if self._used_clusters > self.geometry.clusters:
            room = (self.geometry.clusters - (self.file_cluster - FIRST_CLUSTER)) * self.geometry.cluster_size
            raise InputRefused(
                f"firmware: {show_size(self.length)} do not fit, the card has room for {show_size(max(room, 0))};"
                " take a larger card"
            )

    @property
    def file_cluster(self) -> int:
        """The file's first cluster; it lies in one stretch after the metadata."""
        return self._root_cluster + (2 if "/" in self.path else 1)

    @property
    def file_offset(self) -> int:
        """The file's first byte, counted from the card's start."""
        return self.geometry.cluster_offset(self.file_cluster)

    def metadata(self) -> Iterator[Piece]:
        """Yield allocation table, bitmap, up-case table and folders, each in whole clusters."""
        shape = self.geometry
        chains = [self._bitmap_clusters, shape.clusters_for(len(UPCASE_TABLE)), 1]
        table = list(_FAT_HEAD)
        for clusters in chains:
            table += range(len(table) + 1, len(table) + clusters)
            table.append(_LAST_IN_CHAIN)
        yield Piece("allocation table", shape.fat_offset, struct.pack(f"<{len(table)}I", *table), shape.fat_size)
        used = self._used_clusters
        bitmap = b"\xff" * (used // 8) + (bytes(((1 << used % 8) - 1,)) if used % 8 else b"")
        yield self._in_clusters("allocation bitmap", FIRST_CLUSTER, bitmap, self._bitmap_clusters)
        yield self._in_clusters("up-case table", self._upcase_cluster, UPCASE_TABLE, chains[1])
        folder, _, name = self.path.rpartition("/")
        file = Item(name, False, True, self.file_cluster, self.length, self.stamp, self.length)
        root = (
            label_entry(self.label)
            + bitmap_entry(FIRST_CLUSTER, shape.bitmap_size)
            + upcase_entry(self._upcase_cluster)
        )
        if folder:
            cluster, size = self._root_cluster + 1, shape.cluster_size
            root += Item(folder, True, True, cluster, size, self.stamp, size).to_bytes()
            yield self._in_clusters(f"folder {folder}", cluster, file.to_bytes(), 1)
        else:
            root += file.to_bytes()
        yield self._in_clusters("root folder", self._root_cluster, root, 1)

    def boot_regions(self, record: CardRecord) -> Iterator[Piece]:
        """Yield the main boot region and its backup."""
        shape = self.geometry
        percent = percent_used(self._used_clusters, shape.clusters)
        region = BootRegion(shape, self._root_cluster, record.serial, percent, record.to_oem_parameters()).to_bytes()
        yield Piece("boot region", shape.partition_offset, region, BOOT_SIZE)
        yield Piece("backup boot region", shape.partition_offset + BOOT_SIZE, region, BOOT_SIZE)

    def partition_table(self, record: CardRecord) -> Piece:
        """Return the card's first sector, which makes it a card."""
        data = partition_table(self.geometry, record.serial)
        return Piece("partition table", 0, data, len(data))

    @property
    def _bitmap_clusters(self) -> int:
        return self.geometry.clusters_for(self.geometry.bitmap_size)

    @property
    def _upcase_cluster(self) -> int:
        return FIRST_CLUSTER + self._bitmap_clusters

    @property
    def _root_cluster(self) -> int:
        return self._upcase_cluster + self.geometry.clusters_for(len(UPCASE_TABLE))

    @property
    def _used_clusters(self) -> int:
        return self.file_cluster - FIRST_CLUSTER + self.geometry.clusters_for(self.length)

    def _in_clusters(self, name: str, cluster: int, data: bytes, clusters: int) -> Piece:
        return Piece(name, self.geometry.cluster_offset(cluster), data, clusters * self.geometry.cluster_size)
