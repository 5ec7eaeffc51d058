"""The layout of a finished card: the content and place of everything but the firmware itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from firmware_tools.card import CardRecord
from firmware_tools.errors import InvalidInput
from firmware_tools.exfat.boot import BOOT_REGION_SIZE, BootRegion, compute_percent_used
from firmware_tools.exfat.entries import (
    ExfatTimestamp,
    FileEntry,
    build_bitmap_entry,
    build_label_entry,
    build_upcase_entry,
)
from firmware_tools.exfat.fat import build_fat
from firmware_tools.exfat.geometry import FIRST_CLUSTER, Geometry
from firmware_tools.exfat.mbr import build_mbr
from firmware_tools.exfat.upcase import UPCASE_TABLE
from firmware_tools.language import message
from firmware_tools.size import format_size


class Region(NamedTuple):
    """A region of a card."""

    name: str
    """What it is, for messages."""
    offset: int
    """Where it begins, in bytes from the start of the card."""
    data: bytes
    """What it begins with; the rest is zero."""
    length: int
    """Bytes of the whole region."""


@dataclass(frozen=True, slots=True)
class CardLayout:
    """A card with one file, in the root folder or in one folder.

    The clusters are used in this order: allocation bitmap, up-case table, root folder, the folder if any, the file.
    """

    geometry: Geometry
    """Where partition, allocation table and clusters lie."""
    label: str
    """Volume label."""
    file_path: str
    """Path of the file."""
    file_length: int
    """Bytes of the file."""
    timestamp: ExfatTimestamp
    """Timestamp of the file and its folder."""

    def check_space(self) -> None:
        """Raise `InvalidInput` if the file does not fit on the card."""
        if self._used_clusters > self.geometry.cluster_count:
            free_clusters = self.geometry.cluster_count - (self._file_cluster - FIRST_CLUSTER)
            space = max(free_clusters * self.geometry.cluster_size, 0)
            raise InvalidInput(
                message(
                    "firmware: {size} do not fit, the card has room for {space}; take a larger card",
                    size=format_size(self.file_length),
                    space=format_size(space),
                )
            )

    @property
    def file_offset(self) -> int:
        """Where the file begins, in bytes from the start of the card. Its clusters follow one another."""
        return self.geometry.cluster_offset(self._file_cluster)

    def build_metadata(self) -> Iterator[Region]:
        """Yield allocation table, bitmap, up-case table and folders."""
        geometry = self.geometry
        fat = build_fat((self._bitmap_clusters, self._upcase_clusters, 1))
        yield Region(message("allocation table"), geometry.fat_offset, fat, geometry.fat_size)
        bitmap = ((1 << self._used_clusters) - 1).to_bytes(-(-self._used_clusters // 8), "little")
        yield self._build_clusters(message("allocation bitmap"), FIRST_CLUSTER, bitmap, self._bitmap_clusters)
        yield self._build_clusters(message("up-case table"), self._upcase_cluster, UPCASE_TABLE, self._upcase_clusters)
        root = (
            build_label_entry(self.label)
            + build_bitmap_entry(FIRST_CLUSTER, geometry.bitmap_size)
            + build_upcase_entry(self._upcase_cluster)
        )
        folder, _, name = self.file_path.rpartition("/")
        file = self._build_entry(name, self._file_cluster, self.file_length, is_folder=False)
        if folder:
            cluster = self._root_cluster + 1
            root += self._build_entry(folder, cluster, geometry.cluster_size, is_folder=True)
            yield self._build_clusters(message("folder {folder}", folder=folder), cluster, file, 1)
        else:
            root += file
        yield self._build_clusters(message("root folder"), self._root_cluster, root, 1)

    def build_boot_regions(self, record: CardRecord) -> Iterator[Region]:
        """Yield the main boot region and its backup."""
        geometry = self.geometry
        percent = compute_percent_used(self._used_clusters, geometry.cluster_count)
        region = BootRegion(
            geometry, self._root_cluster, record.volume_serial, percent, record.to_oem_parameters()
        ).to_bytes()
        yield Region(message("boot region"), geometry.partition_offset, region, BOOT_REGION_SIZE)
        yield Region(
            message("backup boot region"), geometry.partition_offset + BOOT_REGION_SIZE, region, BOOT_REGION_SIZE
        )

    def build_partition_table(self, record: CardRecord) -> Region:
        """Return the first sector, without which no system sees a file system on the card."""
        mbr = build_mbr(self.geometry, record.volume_serial)
        return Region(message("partition table"), 0, mbr, len(mbr))

    @property
    def _bitmap_clusters(self) -> int:
        return self.geometry.clusters_for(self.geometry.bitmap_size)

    @property
    def _upcase_cluster(self) -> int:
        return FIRST_CLUSTER + self._bitmap_clusters

    @property
    def _upcase_clusters(self) -> int:
        return self.geometry.clusters_for(len(UPCASE_TABLE))

    @property
    def _root_cluster(self) -> int:
        return self._upcase_cluster + self._upcase_clusters

    @property
    def _file_cluster(self) -> int:
        return self._root_cluster + (2 if "/" in self.file_path else 1)

    @property
    def _used_clusters(self) -> int:
        return self._file_cluster - FIRST_CLUSTER + self.geometry.clusters_for(self.file_length)

    def _build_entry(self, name: str, cluster: int, length: int, *, is_folder: bool) -> bytes:
        return FileEntry(name, is_folder, True, cluster, length, self.timestamp, length).to_bytes()

    def _build_clusters(self, name: str, cluster: int, data: bytes, count: int) -> Region:
        return Region(name, self.geometry.cluster_offset(cluster), data, count * self.geometry.cluster_size)
