"""The partition table of a card: a master boot record with one exFAT partition."""

import struct
from typing import NamedTuple

from firmware_tools.errors import CardFaulty
from firmware_tools.exfat.geometry import SECTOR, Geometry

_ENTRY = struct.Struct("<B3sB3sII")
_EXFAT_TYPE = 0x07
_BY_SECTOR_NUMBER = b"\xfe\xff\xff"  # cylinder, head and sector cannot say it: look at the sector numbers
INCOMPLETE = b"SUNMI firmware card: incomplete, writing it was broken off. Write it again.\r\n".ljust(SECTOR, b"\0")
"""The first sector while a card is being written: without a signature, nothing takes the card for a formatted one."""


class Partition(NamedTuple):
    """First sector and number of sectors."""

    start: int
    sectors: int


def partition_table(geometry: Geometry, disk_signature: int) -> bytes:
    """Return the first sector of a finished card."""
    entry = _ENTRY.pack(0, _BY_SECTOR_NUMBER, _EXFAT_TYPE, _BY_SECTOR_NUMBER, geometry.start, geometry.sectors)
    return (bytes(440) + struct.pack("<IH", disk_signature, 0) + entry).ljust(510, b"\0") + b"\x55\xaa"


def find_partition(sector: bytes, disk_sectors: int) -> Partition:
    """Read the first sector of a card; raise `CardFaulty` unless it names one exFAT partition that fits."""
    if sector == INCOMPLETE:
        raise CardFaulty("incomplete: writing this card was broken off; write it again")
    if sector[3:11] == b"EXFAT   ":
        raise CardFaulty("partition table: there is none, the file system lies directly on the card")
    if sector[510:] != b"\x55\xaa":
        raise CardFaulty("incomplete: there is no partition table; the card was never written, or not to its end")
    entries = [_ENTRY.unpack_from(sector, 446 + 16 * index) for index in range(4)]
    used = [(index, entry) for index, entry in enumerate(entries) if any(entry[:1] + entry[2:3] + entry[4:])]
    if any(entry[2] == 0xEE for _, entry in used):
        raise CardFaulty("partition table: it is a GPT; cards are expected to have a master boot record (MBR)")
    if len(used) != 1 or used[0][0] != 0:
        raise CardFaulty(f"partition table: {len(used)} partitions found, exactly one (the first) is expected")
    status, _, kind, _, start, sectors = used[0][1]
    if kind != _EXFAT_TYPE:
        raise CardFaulty(f"partition table: the partition has type 0x{kind:02X}, exFAT has 0x07")
    if status not in (0, 0x80):
        raise CardFaulty("partition table: its entry is damaged")
    if not 0 < start < start + sectors <= disk_sectors:
        raise CardFaulty("partition table: the partition reaches past the end of the card")
    return Partition(start, sectors)
