"""The master boot record (MBR): the first sector of a card, whose partition table has one exFAT partition."""

import struct
from typing import NamedTuple

from firmware_tools.errors import CardFault
from firmware_tools.exfat.geometry import Geometry
from firmware_tools.size import SECTOR_SIZE

_ENTRY = struct.Struct("<B3sB3sII")
_TABLE_OFFSET = 446
_SIGNATURE = b"\x55\xaa"
_EXFAT_TYPE = 0x07
_GPT_TYPE = 0xEE
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


def build_mbr(geometry: Geometry, disk_signature: int) -> bytes:
    """Return the first sector of a finished card."""
    entry = _ENTRY.pack(
        0, _NO_CHS_ADDRESS, _EXFAT_TYPE, _NO_CHS_ADDRESS, geometry.partition_start, geometry.volume_sectors
    )
    boot_code = bytes(440) + struct.pack("<IH", disk_signature, 0)
    return (boot_code + entry).ljust(SECTOR_SIZE - 2, b"\0") + _SIGNATURE


def parse_mbr(sector: bytes, disk_sectors: int) -> Partition:
    """Parse the first sector of a card; raise `CardFault` unless it names exactly one exFAT partition that fits."""
    if sector == INCOMPLETE_MBR:
        raise CardFault("incomplete: writing this card was broken off; write it again")
    if sector[3:11] == b"EXFAT   ":
        raise CardFault("partition table: there is none, the file system lies directly on the card")
    if sector[510:] != _SIGNATURE:
        raise CardFault("incomplete: there is no partition table; the card was never written, or not to its end")
    entries = [_ENTRY.unpack_from(sector, _TABLE_OFFSET + _ENTRY.size * index) for index in range(4)]
    used = [(index, entry) for index, entry in enumerate(entries) if any(entry[:1] + entry[2:3] + entry[4:])]
    if any(entry[2] == _GPT_TYPE for _, entry in used):
        raise CardFault("partition table: it is a GPT; cards are expected to have a master boot record (MBR)")
    if len(used) != 1 or used[0][0] != 0:
        raise CardFault(f"partition table: {len(used)} partitions found, exactly one (the first) is expected")
    status, _, partition_type, _, start, sectors = used[0][1]
    if partition_type != _EXFAT_TYPE:
        raise CardFault(f"partition table: the partition has type 0x{partition_type:02X}, exFAT has 0x07")
    if status not in (0, 0x80):
        raise CardFault("partition table: its entry is damaged")
    if not 0 < start < start + sectors <= disk_sectors:
        raise CardFault("partition table: the partition reaches past the end of the card")
    return Partition(start, sectors)
