"""Where the parts of a card lie: partition, allocation table, clusters."""

from dataclasses import dataclass

from firmware_tools.size import GIB, MIB

SECTOR = 512
FIRST_CLUSTER = 2
BOOT_SECTORS = 12
"""One boot region; a backup of the same length follows it."""
_FAT_SECTOR = 2048
"""Start of the allocation table inside the partition: the whole MiB before it is ours to wipe."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """The measures of one exFAT partition, in sectors of 512 bytes; offsets are bytes from the disk's start."""

    start: int
    """The partition's first sector on the disk."""
    sectors: int
    fat_sector: int
    """The rest is counted from the partition's start, as in the boot sector."""
    fat_sectors: int
    heap_sector: int
    clusters: int
    cluster_sectors: int

    @classmethod
    def for_card(cls, size: int) -> "Geometry":
        """Lay out a card of this many bytes as SD cards expect: boundaries of 4 MiB, or of 16 MiB above 32 GiB."""
        large = size > 32 * GIB
        cluster_sectors = 256 if large else 64 if size > 256 * MIB else 8
        start = 32768 if large else 8192
        boundary = start  # the cluster heap is aligned like the partition
        sectors = size // SECTOR - start
        most_clusters = (sectors - _FAT_SECTOR) // cluster_sectors
        fat_sectors = -(-(most_clusters + FIRST_CLUSTER) * 4 // SECTOR)
        heap = -(-(start + _FAT_SECTOR + fat_sectors) // boundary) * boundary - start
        clusters = (sectors - heap) // cluster_sectors
        return cls(start, sectors, _FAT_SECTOR, fat_sectors, heap, clusters, cluster_sectors)

    @property
    def cluster_size(self) -> int:
        """Bytes of a cluster."""
        return self.cluster_sectors * SECTOR

    @property
    def partition_offset(self) -> int:
        """The partition's first byte."""
        return self.start * SECTOR

    @property
    def fat_offset(self) -> int:
        """The allocation table's first byte."""
        return (self.start + self.fat_sector) * SECTOR

    @property
    def fat_size(self) -> int:
        """Bytes of the allocation table."""
        return self.fat_sectors * SECTOR

    @property
    def bitmap_size(self) -> int:
        """Bytes of the allocation bitmap: one bit for each cluster."""
        return -(-self.clusters // 8)

    def cluster_offset(self, cluster: int) -> int:
        """Return the first byte of a cluster; the first cluster has number 2."""
        return (self.start + self.heap_sector + (cluster - FIRST_CLUSTER) * self.cluster_sectors) * SECTOR

    def clusters_for(self, length: int) -> int:
        """Return how many clusters hold this many bytes."""
        return -(-length // self.cluster_size)

    def holds(self, cluster: int) -> bool:
        """Tell whether the volume has a cluster of this number."""
        return FIRST_CLUSTER <= cluster < FIRST_CLUSTER + self.clusters
