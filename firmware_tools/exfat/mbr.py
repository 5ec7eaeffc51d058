"""The master boot record (MBR): the first sector of a card, with its partition table."""

import struct
from typing import NamedTuple

from firmware_tools.exfat.geometry import Geometry
from firmware_tools.size import SECTOR_SIZE

_ENTRY = struct.Struct("<B3sB3sII")
_TABLE_OFFSET = 446
MBR_SIGNATURE = b"\x55\xaa"
_EXFAT_TYPE = 0x07
_NO_CHS_ADDRESS = b"\xfe\xff\xff"  # "use the sector numbers": cylinder, head and sector cannot address a card
INCOMPLETE_MBR = b"SUNMI firmware card: incomplete, writing it was broken off. Write it again.\r\n".ljust(
    SECTOR_SIZE, b"\0"
)
"""The first sector while a card is being written: it has no signature, so no system takes the card for formatted."""


class Partition(NamedTuple):
    """The place of a partition on the disk."""

    start: int
    """First sector."""
    sectors: int
    """Number of sectors."""


class MbrEntry(NamedTuple):
    """An entry of the partition table."""

    number: int
    """Its place in the table, from 1."""
    status: int
    """0x80 if a computer may boot from it, else 0."""
    type: int
    """Type of the partition."""
    partition: Partition
    """Where it lies."""


def build_mbr(geometry: Geometry, disk_signature: int) -> bytes:
    """Return the first sector of a finished card."""
    entry = _ENTRY.pack(
        0, _NO_CHS_ADDRESS, _EXFAT_TYPE, _NO_CHS_ADDRESS, geometry.partition_start, geometry.volume_sectors
    )
    boot_code = bytes(440) + struct.pack("<IH", disk_signature, 0)
    return (boot_code + entry).ljust(SECTOR_SIZE - 2, b"\0") + MBR_SIGNATURE


def parse_mbr_entries(sector: bytes) -> list[MbrEntry]:
    """Return the entries of the partition table that are in use."""
    entries: list[MbrEntry] = []
    for index in range(4):
        status, _, partition_type, _, start, sectors = _ENTRY.unpack_from(sector, _TABLE_OFFSET + _ENTRY.size * index)
        if status or partition_type or start or sectors:
            entries.append(MbrEntry(index + 1, status, partition_type, Partition(start, sectors)))
    return entries
