"""The boot region of an exFAT volume: twelve sectors that say where everything lies, protected by a checksum."""

import struct
from dataclasses import dataclass

from firmware_tools.errors import CardFault
from firmware_tools.exfat.checksum import checksum32
from firmware_tools.exfat.geometry import BOOT_REGION_SECTORS, FIRST_CLUSTER, Geometry
from firmware_tools.exfat.mbr import Partition
from firmware_tools.language import message
from firmware_tools.size import SECTOR_SIZE

BOOT_REGION_SIZE = BOOT_REGION_SECTORS * SECTOR_SIZE
FLAGS_OFFSET, PERCENT_OFFSET = 106, 112
FLAG_DIRTY = 2
_FLAG_SECOND_FAT, _FLAG_MEDIA_FAILURE = 1, 4

_BOOT_SECTOR = struct.Struct("<3s8s53xQQIIIIIIHHBBBBB7x390sH")
_JUMP, _FILE_SYSTEM_NAME, _SIGNATURE = b"\xeb\x76\x90", b"EXFAT   ", 0xAA55
_BOOT_CODE = b"\xf4" * 390  # HLT
_EXTENDED_SIGNATURE = b"\x00\x00\x55\xaa"
_REVISION = 0x0100
_OEM_PARAMETERS_OFFSET, _OEM_PARAMETERS_SIZE = 9 * SECTOR_SIZE, 480
_CHECKSUM_OFFSET = 11 * SECTOR_SIZE
_VOLATILE_OFFSETS = (FLAGS_OFFSET, FLAGS_OFFSET + 1, PERCENT_OFFSET)  # left out of the checksum: they change in use


@dataclass(frozen=True, slots=True)
class BootRegion:
    """The content of a boot region."""

    geometry: Geometry
    """Where the parts of the volume lie."""
    root_cluster: int
    """First cluster of the root folder."""
    volume_serial: int
    """Serial number of the volume."""
    percent_used: int
    """Percentage of the clusters in use; 255 if unknown."""
    oem_parameters: bytes
    """Ten records of 48 bytes, each a GUID and 32 bytes of its owner's; zero where unused."""
    flags: int = 0
    """State of the volume."""

    def to_bytes(self) -> bytes:
        """Encode the twelve sectors."""
        geometry = self.geometry
        boot_sector = _BOOT_SECTOR.pack(
            _JUMP,
            _FILE_SYSTEM_NAME,
            geometry.partition_start,
            geometry.volume_sectors,
            geometry.fat_start,
            geometry.fat_sectors,
            geometry.heap_start,
            geometry.cluster_count,
            self.root_cluster,
            self.volume_serial,
            _REVISION,
            self.flags,
            SECTOR_SIZE.bit_length() - 1,
            geometry.sectors_per_cluster.bit_length() - 1,
            1,  # number of allocation tables
            0x80,  # number of the drive, for the BIOS
            self.percent_used,
            _BOOT_CODE,
            _SIGNATURE,
        )
        extended_sectors = (bytes(SECTOR_SIZE - 4) + _EXTENDED_SIGNATURE) * 8
        sectors = boot_sector + extended_sectors + self.oem_parameters.ljust(2 * SECTOR_SIZE, b"\0")
        checksum = checksum32(sectors, _VOLATILE_OFFSETS)
        return sectors + struct.pack("<I", checksum) * (SECTOR_SIZE // 4)

    @classmethod
    def parse(cls, region: bytes, partition: Partition) -> "BootRegion":
        """Parse and check twelve sectors; raise `CardFault` naming the first fault."""
        fields = _BOOT_SECTOR.unpack(region[:SECTOR_SIZE])
        jump, name, start, sectors, fat, fat_sectors, heap, clusters, root, serial, revision, flags = fields[:12]
        sector_shift, cluster_shift, fats, _, percent, _, signature = fields[12:]

        def require(condition: bool, fault: str) -> None:
            if not condition:
                raise CardFault(message("boot region: {fault}", fault=fault))

        require(any(region), message("incomplete: it is empty; the card was not written to its end"))
        require(name == _FILE_SYSTEM_NAME and jump == _JUMP, message("this is no exFAT volume"))
        require(signature == _SIGNATURE, message("its signature is missing"))
        require(not any(region[11:64]), message("bytes that must be zero are not (it may be another file system's)"))
        require(
            sector_shift == 9,
            message("it says sectors of 2^{sector_shift} bytes, and SD cards have 512", sector_shift=sector_shift),
        )
        expected = struct.pack("<I", checksum32(region[:_CHECKSUM_OFFSET], _VOLATILE_OFFSETS)) * (SECTOR_SIZE // 4)
        require(region[_CHECKSUM_OFFSET:] == expected, message("its checksum does not match"))
        for end in range(2 * SECTOR_SIZE, 10 * SECTOR_SIZE, SECTOR_SIZE):
            require(region[end - 4 : end] == _EXTENDED_SIGNATURE, message("a signature is missing"))
        require(
            revision == _REVISION,
            message("revision {major}.{minor:02} of exFAT is not known", major=revision >> 8, minor=revision & 255),
        )
        require(fats == 1 and not flags & _FLAG_SECOND_FAT, message("it has two allocation tables"))
        require(percent <= 100 or percent == 255, message("it says {percent} % in use", percent=percent))
        require(start in (0, partition.start), message("it lies elsewhere than it says"))
        require(0 < sectors <= partition.sectors, message("the volume is longer than its partition"))
        require(cluster_shift <= 16, message("its clusters are larger than exFAT allows"))
        geometry = Geometry(partition.start, sectors, fat, fat_sectors, heap, clusters, 1 << cluster_shift)
        require(fat >= 2 * BOOT_REGION_SECTORS, message("the allocation table overlaps the boot region"))
        require(
            fat_sectors * SECTOR_SIZE >= (clusters + FIRST_CLUSTER) * 4, message("the allocation table is too short")
        )
        require(heap >= fat + fat_sectors, message("the clusters overlap the allocation table"))
        heap_end = heap + clusters * geometry.sectors_per_cluster
        require(clusters > 0 and heap_end <= sectors, message("the clusters reach past the volume"))
        require(geometry.has_cluster(root), message("the root folder lies outside the volume"))
        oem_parameters = region[_OEM_PARAMETERS_OFFSET:][:_OEM_PARAMETERS_SIZE]
        return cls(geometry, root, serial, percent, oem_parameters, flags)

    def check_flags(self) -> None:
        """Raise `CardFault` if the volume is marked as damaged."""
        if self.flags & FLAG_DIRTY:
            raise CardFault(message("boot region: the volume is marked dirty: it was taken out while being written"))
        if self.flags & _FLAG_MEDIA_FAILURE:
            raise CardFault(message("boot region: the volume is marked as failing: use another card"))
        if self.flags:
            raise CardFault(message("boot region: unknown volume flags are set"))


def boot_regions_match(main: bytes, backup: bytes) -> bool:
    """Compare two boot regions, without the bytes that change while the volume is in use."""
    return _without_volatile_bytes(main) == _without_volatile_bytes(backup)


def compute_percent_used(used_clusters: int, cluster_count: int) -> int:
    """Return the percentage that the boot sector carries, rounded down."""
    return used_clusters * 100 // cluster_count


def _without_volatile_bytes(region: bytes) -> bytes:
    copy = bytearray(region)
    for offset in _VOLATILE_OFFSETS:
        copy[offset] = 0
    return bytes(copy)
