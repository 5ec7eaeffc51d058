"""Where the parts of a card lie: partition, allocation table, clusters."""

from dataclasses import dataclass

from firmware_tools.size import GIB, MIB, SECTOR_SIZE

FIRST_CLUSTER = 2
BOOT_REGION_SECTORS = 12
"""Length of the main boot region; its backup has the same length and follows it."""
_FAT_START = 2048
"""First sector of the allocation table on our cards: the MiB before it holds nothing but boot regions."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """One exFAT partition, measured in sectors of 512 bytes. Offsets are bytes from the start of the disk."""

    partition_start: int
    """First sector of the partition on the disk."""
    volume_sectors: int
    """Sectors of the volume."""
    fat_start: int
    """First sector of the file allocation table (FAT), counted from the start of the partition."""
    fat_sectors: int
    """Sectors of the file allocation table."""
    heap_start: int
    """First sector of the first cluster, counted from the start of the partition."""
    cluster_count: int
    """Clusters of the volume."""
    sectors_per_cluster: int
    """Sectors of a cluster: a power of two."""

    @classmethod
    def for_card(cls, size: int) -> "Geometry":
        """Return the geometry of a card of this many bytes.

        Partition and clusters are aligned as SD cards expect it: to 4 MiB, or to 16 MiB above 32 GiB.
        """
        is_large = size > 32 * GIB
        sectors_per_cluster = 256 if is_large else 64 if size > 256 * MIB else 8
        alignment = (16 * MIB if is_large else 4 * MIB) // SECTOR_SIZE
        partition_start = alignment
        volume_sectors = size // SECTOR_SIZE - partition_start
        max_clusters = (volume_sectors - _FAT_START) // sectors_per_cluster
        fat_sectors = -(-(max_clusters + FIRST_CLUSTER) * 4 // SECTOR_SIZE)
        heap_start = -(-(partition_start + _FAT_START + fat_sectors) // alignment) * alignment - partition_start
        cluster_count = (volume_sectors - heap_start) // sectors_per_cluster
        return cls(
            partition_start, volume_sectors, _FAT_START, fat_sectors, heap_start, cluster_count, sectors_per_cluster
        )

    @property
    def cluster_size(self) -> int:
        """Bytes of a cluster."""
        return self.sectors_per_cluster * SECTOR_SIZE

    @property
    def partition_offset(self) -> int:
        """Offset of the partition."""
        return self.partition_start * SECTOR_SIZE

    @property
    def fat_offset(self) -> int:
        """Offset of the file allocation table."""
        return (self.partition_start + self.fat_start) * SECTOR_SIZE

    @property
    def fat_size(self) -> int:
        """Bytes of the file allocation table."""
        return self.fat_sectors * SECTOR_SIZE

    @property
    def bitmap_size(self) -> int:
        """Bytes of the allocation bitmap, which has one bit for each cluster."""
        return -(-self.cluster_count // 8)

    def cluster_offset(self, cluster: int) -> int:
        """Return the offset of a cluster; the first one has number 2."""
        sector = self.partition_start + self.heap_start + (cluster - FIRST_CLUSTER) * self.sectors_per_cluster
        return sector * SECTOR_SIZE

    def clusters_for(self, length: int) -> int:
        """Return how many clusters hold this many bytes."""
        return -(-length // self.cluster_size)

    def has_cluster(self, cluster: int) -> bool:
        """Return whether the volume has a cluster of this number."""
        return FIRST_CLUSTER <= cluster < FIRST_CLUSTER + self.cluster_count
