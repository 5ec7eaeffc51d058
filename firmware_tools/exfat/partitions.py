"""Finding the exFAT volume of a card of any layout, and saying what cameras may not like about the layout."""

import struct
from typing import NamedTuple

from firmware_tools.block_device import BlockDevice
from firmware_tools.errors import CardFault
from firmware_tools.exfat.mbr import INCOMPLETE_MBR, MBR_SIGNATURE, MbrEntry, Partition, parse_mbr_entries
from firmware_tools.language import join, message
from firmware_tools.size import SECTOR_SIZE

_EXFAT_NAME = slice(3, 11), b"EXFAT   "
_EXFAT_TYPE, _GPT_TYPE = 0x07, 0xEE
_OTHER_FILE_SYSTEMS = {
    "NTFS": (slice(3, 11), b"NTFS    "),
    "FAT32": (slice(82, 87), b"FAT32"),
    "FAT16": (slice(54, 59), b"FAT16"),
    "FAT12": (slice(54, 59), b"FAT12"),
}
_GPT_HEADER = struct.Struct("<8s64xQII")
_GPT_SIGNATURE = b"EFI PART"
_MAX_GPT_ENTRIES = 1024
_GPT_ENTRY_SIZES = (128, 256, 512, 1024, 2048, 4096)
_ADVICE = message(
    "cameras may not find it: write the card with `sunmi-sdcard prepare`, or make one "
    "partition in a master boot record (MBR) and format it as exFAT"
)


class FoundVolume(NamedTuple):
    """Where the exFAT volume of a card lies."""

    partition: Partition
    """Its partition; the whole card where there is no partition table."""
    layout_fault: str | None
    """Why cameras may not find it, and what to do; None if the layout is as it should be."""


def find_exfat_volume(device: BlockDevice) -> FoundVolume:
    """Find the only exFAT volume of a card.

    Raises:
        CardFault: there is none, or more than one, or the card was not written to its end.
        IOFailed: the card cannot be read.

    """
    sector = device.read(0, SECTOR_SIZE)
    sectors = device.size // SECTOR_SIZE
    if sector == INCOMPLETE_MBR:
        raise CardFault(message("incomplete: writing this card was broken off; write it again"))
    if _is_exfat(sector):
        fault = message(
            "partition table: there is none, the file system lies directly on the card; {advice}", advice=_ADVICE
        )
        return FoundVolume(Partition(0, sectors), fault)
    if sector[510:] != MBR_SIGNATURE:
        raise CardFault(
            message("incomplete: there is no partition table; the card was never written, or not to its end")
        )
    if other := _name_file_system(sector):
        raise CardFault(
            message("file system: the card is formatted as {other}; cameras need exFAT: format it again", other=other)
        )
    entries = parse_mbr_entries(sector)
    if any(entry.type == _GPT_TYPE for entry in entries):
        partition = _choose_exfat(device, _read_gpt(device), message("partition table: it is a GPT"))
        return FoundVolume(
            partition, message("partition table: it is a GPT, not a master boot record (MBR); {advice}", advice=_ADVICE)
        )
    if len(entries) != 1:
        summary = message("partition table: {count} partitions found, exactly one is expected", count=len(entries))
        partition = _choose_exfat(device, [entry.partition for entry in entries], summary)
        return FoundVolume(partition, join("; ", [summary, _ADVICE]))
    return _check_only_entry(device, entries[0])


def _check_only_entry(device: BlockDevice, entry: MbrEntry) -> FoundVolume:
    if not _fits(device, entry.partition):
        raise CardFault(message("partition table: the partition reaches past the end of the card"))
    boot_sector = device.read(entry.partition.start * SECTOR_SIZE, SECTOR_SIZE)
    if other := _name_file_system(boot_sector):
        raise CardFault(
            message(
                "file system: the partition (type 0x{type:02X}) is formatted as {other}; cameras need "
                "exFAT: format it again",
                type=entry.type,
                other=other,
            )
        )
    fault = None
    if entry.type != _EXFAT_TYPE:
        fault = message(
            "partition table: the partition has type 0x{type:02X}, exFAT has 0x07; {advice}",
            type=entry.type,
            advice=_ADVICE,
        )
    elif entry.number != 1:
        fault = message(
            "partition table: 1 partition found, but as number {number}, not as the first; {advice}",
            number=entry.number,
            advice=_ADVICE,
        )
    elif entry.status not in (0, 0x80):
        fault = message("partition table: its entry is damaged; {advice}", advice=_ADVICE)
    return FoundVolume(entry.partition, fault)


def _read_gpt(device: BlockDevice) -> list[Partition]:
    """Return the partitions of a GPT; raise `CardFault` if it cannot be read."""
    signature, first, count, size = _GPT_HEADER.unpack_from(device.read(SECTOR_SIZE, SECTOR_SIZE))
    is_valid = signature == _GPT_SIGNATURE and count <= _MAX_GPT_ENTRIES and size in _GPT_ENTRY_SIZES
    if not is_valid or first * SECTOR_SIZE + count * size > device.size:
        raise CardFault(message("partition table: it is a GPT, and damaged; write the card again"))
    table = device.read(first * SECTOR_SIZE, count * size)
    partitions: list[Partition] = []
    for offset in range(0, len(table), size):
        kind, start, end = struct.unpack_from("<16s16xQQ", table, offset)
        if any(kind):
            partitions.append(Partition(start, end - start + 1))
    return partitions


def _choose_exfat(device: BlockDevice, partitions: list[Partition], summary: str) -> Partition:
    """Return the only partition that holds exFAT."""
    found = [
        partition
        for partition in partitions
        if _fits(device, partition) and _is_exfat(device.read(partition.start * SECTOR_SIZE, SECTOR_SIZE))
    ]
    if len(found) != 1:
        number = "none" if not found else message("more than one")
        raise CardFault(
            message(
                "{summary}, and {number} of its partitions holds exFAT: write the card again",
                summary=summary,
                number=number,
            )
        )
    return found[0]


def _fits(device: BlockDevice, partition: Partition) -> bool:
    return 0 < partition.start < partition.start + partition.sectors <= device.size // SECTOR_SIZE


def _is_exfat(sector: bytes) -> bool:
    place, name = _EXFAT_NAME
    return sector[place] == name


def _name_file_system(sector: bytes) -> str | None:
    return next((name for name, (place, mark) in _OTHER_FILE_SYSTEMS.items() if sector[place] == mark), None)
