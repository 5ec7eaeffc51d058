"""The boot region of an exFAT volume: twelve sectors that say where everything is, guarded by a checksum."""

import struct
from dataclasses import dataclass

from firmware_tools.errors import CardFaulty
from firmware_tools.exfat.geometry import BOOT_SECTORS, FIRST_CLUSTER, SECTOR, Geometry

_BOOT_SECTOR = struct.Struct("<3s8s53xQQIIIIIIHHBBBBB7x390sH")
_JUMP, _NAME, _SIGNATURE = b"\xeb\x76\x90", b"EXFAT   ", 0xAA55
_HALT = b"\xf4" * 390
_OEM_SECTOR = 9
FLAGS_AT, PERCENT_AT = 106, 112
_UNCHECKED_BYTES = (FLAGS_AT, FLAGS_AT + 1, PERCENT_AT)  # they change while the volume is in use
DIRTY = 2
_MEDIA_FAILURE, _SECOND_FAT = 4, 1
BOOT_SIZE = BOOT_SECTORS * SECTOR


@dataclass(frozen=True, slots=True)
class BootRegion:
    """What a boot region says."""

    geometry: Geometry
    root_cluster: int
    serial: int
    percent_used: int
    oem_parameters: bytes
    """Ten records of 48 bytes, each a GUID and 32 bytes of its owner's; zero where unused."""
    flags: int = 0

    def to_bytes(self) -> bytes:
        """Return the twelve sectors."""
        shape = self.geometry
        boot_sector = _BOOT_SECTOR.pack(
            _JUMP,
            _NAME,
            shape.start,
            shape.sectors,
            shape.fat_sector,
            shape.fat_sectors,
            shape.heap_sector,
            shape.clusters,
            self.root_cluster,
            self.serial,
            0x0100,
            self.flags,
            SECTOR.bit_length() - 1,
            shape.cluster_sectors.bit_length() - 1,
            1,
            0x80,
            self.percent_used,
            _HALT,
            _SIGNATURE,
        )
        extended = (bytes(SECTOR - 4) + b"\x00\x00\x55\xaa") * 8
        sectors = boot_sector + extended + self.oem_parameters.ljust(2 * SECTOR, b"\0")
        return sectors + struct.pack("<I", _checksum(sectors)) * (SECTOR // 4)

    @classmethod
    def parse(cls, region: bytes, partition_start: int, partition_sectors: int, where: str) -> "BootRegion":
        """Read and check twelve sectors; raise `CardFaulty` naming the first thing that is wrong."""
        (jump, name, start, sectors, fat, fat_sectors, heap, clusters, root, serial, revision, flags) = (
            _BOOT_SECTOR.unpack(region[:SECTOR])[:12]
        )
        sector_shift, cluster_shift, fats, _, percent, _, signature = _BOOT_SECTOR.unpack(region[:SECTOR])[12:]

        def insist(holds: bool, fault: str) -> None:
            if not holds:
                raise CardFaulty(f"{where}: {fault}")

        insist(any(region), "incomplete: it is empty; the card was not written to its end")
        insist(name == _NAME and jump == _JUMP, "this is no exFAT volume")
        insist(signature == _SIGNATURE, "its signature is missing")
        insist(not any(region[11:64]), "bytes that must be zero are not (it may be another file system's)")
        insist(sector_shift == 9, f"it says sectors of 2^{sector_shift} bytes, and SD cards have 512")
        words = struct.unpack(f"<{BOOT_SIZE // 4}I", region)
        expected = _checksum(region[: 11 * SECTOR])
        insist(all(word == expected for word in words[-SECTOR // 4 :]), "its checksum does not match")
        for sector in range(1, 9):
            insist(
                region[sector * SECTOR + 508 : sector * SECTOR + 512] == b"\x00\x00\x55\xaa", "a signature is missing"
            )
        insist(revision == 0x0100, f"revision {revision >> 8}.{revision & 255:02} of exFAT is not known")
        insist(fats == 1 and not flags & _SECOND_FAT, "it has two allocation tables")
        insist(percent <= 100 or percent == 255, f"it says {percent} % in use")
        insist(start in (0, partition_start), "it lies elsewhere than it says")
        insist(0 < sectors <= partition_sectors, "the volume is longer than its partition")
        insist(cluster_shift <= 16, "its clusters are larger than exFAT allows")
        shape = Geometry(partition_start, sectors, fat, fat_sectors, heap, clusters, 1 << cluster_shift)
        insist(fat >= 2 * BOOT_SECTORS, "the allocation table overlaps the boot region")
        insist(fat_sectors * SECTOR >= (clusters + FIRST_CLUSTER) * 4, "the allocation table is too short")
        insist(heap >= fat + fat_sectors, "the clusters overlap the allocation table")
        insist(
            clusters > 0 and heap + clusters * shape.cluster_sectors <= sectors, "the clusters reach past the volume"
        )
        insist(shape.holds(root), "the root folder lies outside the volume")
        return cls(shape, root, serial, percent, region[_OEM_SECTOR * SECTOR :][:480], flags)

    def check_flags(self) -> None:
        """Raise `CardFaulty` for a volume that says itself that it is not well."""
        if self.flags & DIRTY:
            raise CardFaulty("boot region: the volume is marked dirty: it was taken out while being written")
        if self.flags & _MEDIA_FAILURE:
            raise CardFaulty("boot region: the volume is marked as failing: use another card")
        if self.flags:
            raise CardFaulty("boot region: unknown volume flags are set")


def same_boot_region(main: bytes, backup: bytes) -> bool:
    """Compare two boot regions, leaving out what may change while the volume is in use."""
    return _without_unchecked(main) == _without_unchecked(backup)


def percent_used(used: int, clusters: int) -> int:
    """Return the rounded-down percentage that the boot sector carries."""
    return used * 100 // clusters


def _without_unchecked(region: bytes) -> bytes:
    return (
        bytes(0 if index in _UNCHECKED_BYTES else byte for index, byte in enumerate(region[:SECTOR])) + region[SECTOR:]
    )


def _checksum(sectors: bytes) -> int:
    checksum = 0
    for index, byte in enumerate(sectors):
        if index not in _UNCHECKED_BYTES:
            checksum = ((checksum & 1) << 31) + (checksum >> 1) + byte & 0xFFFFFFFF
    return checksum
