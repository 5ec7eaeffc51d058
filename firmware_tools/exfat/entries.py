"""Directory entries of exFAT: label, allocation bitmap, up-case table, and the sets of entries that describe files."""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum

from firmware_tools.errors import CardFault
from firmware_tools.exfat.checksum import checksum16
from firmware_tools.exfat.upcase import UPCASE_CHECKSUM, UPCASE_TABLE, upcase_name
from firmware_tools.language import message

ENTRY_SIZE = 32
IN_USE, SECONDARY, BENIGN = 0x80, 0x40, 0x20
"""Bits of an entry's type. An unknown benign entry may be ignored."""


class EntryType(IntEnum):
    """Type of an entry: its first byte."""

    END = 0x00
    BITMAP = 0x81
    UPCASE_TABLE = 0x82
    LABEL = 0x83
    FILE = 0x85
    STREAM = 0xC0
    NAME = 0xC1


_ATTRIBUTE_FOLDER, _ATTRIBUTE_ARCHIVE = 0x10, 0x20
_FLAG_ALLOCATION_POSSIBLE, _FLAG_NO_FAT_CHAIN = 1, 2
_UTC_OFFSET = 0x80
_NAME_CHARS_PER_ENTRY = 15
_MAX_LABEL_CHARS = 11
_FILE_ENTRY = struct.Struct("<BBHHHIIIBBBBB7x")
_STREAM_ENTRY = struct.Struct("<BBxBHHQ4xIQ")
_LABEL_ENTRY = struct.Struct("<BB22s8x")
_ALLOCATION_ENTRY = struct.Struct("<BB2xI12xIQ")  # of the bitmap (with flags) or the up-case table (with a checksum)
_MIN_EPOCH_S, _MAX_EPOCH_S = 315_532_800, 4_354_819_198  # 1980 to 2107


@dataclass(frozen=True, slots=True)
class ExfatTimestamp:
    """A moment in UTC, in exFAT's encoding."""

    date_time: int
    """Date and time in bit fields, in steps of two seconds."""
    hundredths: int
    """Hundredths of a second to add: 0 to 199."""

    @classmethod
    def from_epoch(cls, epoch_s: float) -> "ExfatTimestamp":
        """Convert seconds of the Unix epoch; a moment outside 1980 to 2107 becomes the nearest one inside."""
        moment = datetime.fromtimestamp(min(max(int(epoch_s), _MIN_EPOCH_S), _MAX_EPOCH_S), UTC)
        date = (moment.year - 1980) << 9 | moment.month << 5 | moment.day
        return cls(date << 16 | moment.hour << 11 | moment.minute << 5 | moment.second // 2, moment.second % 2 * 100)


@dataclass(frozen=True, slots=True)
class FileEntry:
    """The set of entries that describes a file or a folder."""

    name: str
    """Name without the path."""
    is_folder: bool
    """Whether it is a folder."""
    is_contiguous: bool
    """Whether its clusters follow one another and have no chain in the allocation table."""
    first_cluster: int
    """Number of its first cluster; 0 if it is empty."""
    length: int
    """Bytes."""
    timestamp: ExfatTimestamp
    """When it was created, modified and accessed."""
    valid_length: int
    """Bytes that have been written."""

    def to_bytes(self) -> bytes:
        """Encode the set of entries."""
        chars = self.name.encode("utf-16-le")
        step = 2 * _NAME_CHARS_PER_ENTRY
        parts = [chars[start : start + step] for start in range(0, len(chars), step)]
        names = b"".join(bytes((EntryType.NAME, 0)) + part.ljust(step, b"\0") for part in parts)
        stream = _STREAM_ENTRY.pack(
            EntryType.STREAM,
            _FLAG_ALLOCATION_POSSIBLE | (_FLAG_NO_FAT_CHAIN if self.is_contiguous else 0),
            len(chars) // 2,
            _hash_name(self.name),
            0,
            self.valid_length,
            self.first_cluster,
            self.length,
        )
        attributes = _ATTRIBUTE_FOLDER if self.is_folder else _ATTRIBUTE_ARCHIVE
        date_time, hundredths = self.timestamp.date_time, self.timestamp.hundredths
        file = _FILE_ENTRY.pack(
            EntryType.FILE,
            1 + len(parts),
            0,
            attributes,
            0,
            *(date_time, date_time, date_time),
            *(hundredths, hundredths),
            *(_UTC_OFFSET, _UTC_OFFSET, _UTC_OFFSET),
        )
        entries = file + stream + names
        return entries[:2] + struct.pack("<H", _entry_set_checksum(entries)) + entries[4:]

    @classmethod
    def parse(cls, entries: bytes, folder: str) -> "FileEntry":
        """Parse a complete set of entries of a folder; raise `CardFault` naming the first fault."""
        _, secondary_count, checksum, attributes, _, date_time, _, _, hundredths, *_ = _FILE_ENTRY.unpack_from(entries)
        if _entry_set_checksum(entries) != checksum:
            raise CardFault(message("{folder}: the checksum of an entry does not match", folder=folder))
        if secondary_count < 2 or entries[ENTRY_SIZE] != EntryType.STREAM:
            raise CardFault(message("{folder}: an entry lacks its description", folder=folder))
        stream = _STREAM_ENTRY.unpack_from(entries, ENTRY_SIZE)
        _, flags, name_length, name_hash, _, valid_length, cluster, length = stream
        name_entries = -(-name_length // _NAME_CHARS_PER_ENTRY)
        starts = range(2 * ENTRY_SIZE, (2 + name_entries) * ENTRY_SIZE, ENTRY_SIZE)
        names = [entries[start : start + ENTRY_SIZE] for start in starts]
        if not name_length or name_entries > secondary_count - 1 or any(part[0] != EntryType.NAME for part in names):
            raise CardFault(message("{folder}: an entry lacks its name", folder=folder))
        try:
            name = b"".join(part[2:] for part in names)[: 2 * name_length].decode("utf-16-le")
        except UnicodeDecodeError as error:
            raise CardFault(message("{folder}: a name is damaged", folder=folder)) from error
        if _hash_name(name) != name_hash:
            raise CardFault(message("{folder}/{name}: the hash of the name does not match", folder=folder, name=name))
        if valid_length > length:
            raise CardFault(
                message("{folder}/{name}: its valid length is greater than its length", folder=folder, name=name)
            )
        is_folder, is_contiguous = bool(attributes & _ATTRIBUTE_FOLDER), bool(flags & _FLAG_NO_FAT_CHAIN)
        timestamp = ExfatTimestamp(date_time, hundredths)
        return cls(name, is_folder, is_contiguous, cluster, length, timestamp, valid_length)


@dataclass(frozen=True, slots=True)
class Allocation:
    """Where the allocation bitmap or the up-case table lies."""

    first_cluster: int
    """Number of its first cluster."""
    length: int
    """Bytes."""
    checksum: int = 0
    """Checksum of the up-case table; 0 for the bitmap."""

    @classmethod
    def parse(cls, entry: bytes) -> "Allocation":
        """Parse an entry of type `BITMAP` or `UPCASE_TABLE`."""
        _, _, checksum, cluster, length = _ALLOCATION_ENTRY.unpack(entry)
        return cls(cluster, length, checksum)


def build_label_entry(label: str) -> bytes:
    """Encode the entry of a volume label of at most 11 characters."""
    chars = label.encode("utf-16-le")
    return _LABEL_ENTRY.pack(EntryType.LABEL, len(chars) // 2, chars)


def parse_label_entry(entry: bytes) -> str:
    """Parse the volume label; damaged characters become replacement characters."""
    _, length, chars = _LABEL_ENTRY.unpack(entry)
    label: str = chars[: 2 * min(length, _MAX_LABEL_CHARS)].decode("utf-16-le", "replace")
    return label


def build_bitmap_entry(cluster: int, length: int) -> bytes:
    """Encode the entry of the allocation bitmap."""
    return _ALLOCATION_ENTRY.pack(EntryType.BITMAP, 0, 0, cluster, length)


def build_upcase_entry(cluster: int) -> bytes:
    """Encode the entry of the specification's up-case table."""
    return _ALLOCATION_ENTRY.pack(EntryType.UPCASE_TABLE, 0, UPCASE_CHECKSUM, cluster, len(UPCASE_TABLE))


def _entry_set_checksum(entries: bytes) -> int:
    return checksum16(entries[4:], checksum16(entries[:2]))


def _hash_name(name: str) -> int:
    return checksum16(upcase_name(name).encode("utf-16-le"))
