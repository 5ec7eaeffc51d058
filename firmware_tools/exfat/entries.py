"""Entries of an exFAT folder: label, allocation bitmap, up-case table, and the sets that describe files."""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime

from firmware_tools.errors import CardFaulty
from firmware_tools.exfat.upcase import UPCASE_CHECKSUM, UPCASE_TABLE, upcase

ENTRY = 32
END, BITMAP, UPCASE, LABEL, FILE, STREAM, NAME = 0x00, 0x81, 0x82, 0x83, 0x85, 0xC0, 0xC1
IN_USE, SECONDARY, BENIGN = 0x80, 0x40, 0x20
_FOLDER, _ARCHIVE = 0x10, 0x20
_NO_CHAIN, _POSSIBLE = 2, 1
_NAME_UNITS = 15
_FILE_ENTRY = struct.Struct("<BBHHHIIIBBBBB7x")
_STREAM_ENTRY = struct.Struct("<BBxBHHQ4xIQ")
_LABEL_ENTRY = struct.Struct("<BB22s8x")
_ALLOCATION_ENTRY = struct.Struct("<BB2xI12xIQ")  # shared by bitmap (flags) and up-case table (checksum)
_UTC = 0x80


@dataclass(frozen=True, slots=True)
class Stamp:
    """A moment as exFAT writes it: seconds in steps of two, and the rest in hundredths."""

    seconds: int
    hundredths: int

    @classmethod
    def at(cls, epoch_s: float) -> "Stamp":
        """Convert seconds of the Unix epoch; what lies outside 1980 to 2107 becomes the nearest possible."""
        earliest, latest = 315_532_800, 4_354_819_198
        moment = datetime.fromtimestamp(min(max(int(epoch_s), earliest), latest), UTC)
        date = (moment.year - 1980) << 9 | moment.month << 5 | moment.day
        return cls(date << 16 | moment.hour << 11 | moment.minute << 5 | moment.second // 2, moment.second % 2 * 100)


@dataclass(frozen=True, slots=True)
class Item:
    """A file or a folder, as its set of entries tells."""

    name: str
    is_folder: bool
    contiguous: bool
    first_cluster: int
    length: int
    stamp: Stamp
    valid_length: int

    def to_bytes(self) -> bytes:
        """Return the set of entries."""
        units = self.name.encode("utf-16-le")
        parts = [units[start : start + 2 * _NAME_UNITS] for start in range(0, len(units), 2 * _NAME_UNITS)]
        flags = _POSSIBLE | (_NO_CHAIN if self.contiguous else 0)
        length, name_hash = self.length, _name_hash(self.name)
        stream = _STREAM_ENTRY.pack(
            STREAM, flags, len(units) // 2, name_hash, 0, self.valid_length, self.first_cluster, length
        )
        names = b"".join(bytes((NAME, 0)) + part.ljust(2 * _NAME_UNITS, b"\0") for part in parts)
        seconds, rest = self.stamp.seconds, self.stamp.hundredths
        kind = _FOLDER if self.is_folder else _ARCHIVE
        head = _FILE_ENTRY.pack(
            FILE, 1 + len(parts), 0, kind, 0, seconds, seconds, seconds, rest, rest, _UTC, _UTC, _UTC
        )
        entries = head + stream + names
        return entries[:2] + struct.pack("<H", _set_checksum(entries)) + entries[4:]

    @classmethod
    def parse(cls, entries: bytes, where: str) -> "Item":
        """Read one complete set of entries; raise `CardFaulty` naming what is wrong with it."""
        _, secondaries, checksum, attributes, _, seconds, _, _, rest, *_ = _FILE_ENTRY.unpack_from(entries)
        if _set_checksum(entries) != checksum:
            raise CardFaulty(f"{where}: the checksum of an entry does not match")
        if secondaries < 2 or entries[ENTRY] != STREAM:
            raise CardFaulty(f"{where}: an entry lacks its description")
        _, flags, units, name_hash, _, valid, cluster, length = _STREAM_ENTRY.unpack_from(entries, ENTRY)
        needed = -(-units // _NAME_UNITS)
        names = [entries[start : start + ENTRY] for start in range(2 * ENTRY, (2 + needed) * ENTRY, ENTRY)]
        if not units or needed > secondaries - 1 or any(part[0] != NAME for part in names):
            raise CardFaulty(f"{where}: an entry lacks its name")
        try:
            name = b"".join(part[2:] for part in names)[: 2 * units].decode("utf-16-le")
        except UnicodeDecodeError as error:
            raise CardFaulty(f"{where}: a name is damaged") from error
        if _name_hash(name) != name_hash:
            raise CardFaulty(f"{where}/{name}: the hash of the name does not match")
        if valid > length:
            raise CardFaulty(f"{where}/{name}: it is said to hold more than its length")
        contiguous = bool(flags & _NO_CHAIN)
        return cls(name, bool(attributes & _FOLDER), contiguous, cluster, length, Stamp(seconds, rest), valid)


@dataclass(frozen=True, slots=True)
class Allocation:
    """Where the allocation bitmap or the up-case table lies."""

    first_cluster: int
    length: int
    checksum: int = 0

    @classmethod
    def parse(cls, entry: bytes) -> "Allocation":
        """Read an entry of type `BITMAP` or `UPCASE`."""
        _, _, checksum, cluster, length = _ALLOCATION_ENTRY.unpack(entry)
        return cls(cluster, length, checksum)


def label_entry(label: str) -> bytes:
    """Return the entry of the volume label: at most 11 characters."""
    units = label.encode("utf-16-le")
    return _LABEL_ENTRY.pack(LABEL, len(units) // 2, units)


def parse_label(entry: bytes) -> str:
    """Read the volume label; a damaged one gives replacement characters, never an error."""
    _, units, text = _LABEL_ENTRY.unpack(entry)
    label: str = text[: 2 * min(units, 11)].decode("utf-16-le", "replace")
    return label


def bitmap_entry(cluster: int, length: int) -> bytes:
    """Return the entry of the allocation bitmap."""
    return _ALLOCATION_ENTRY.pack(BITMAP, 0, 0, cluster, length)


def upcase_entry(cluster: int) -> bytes:
    """Return the entry of the specification's up-case table."""
    return _ALLOCATION_ENTRY.pack(UPCASE, 0, UPCASE_CHECKSUM, cluster, len(UPCASE_TABLE))


def _rolling(checksum: int, data: bytes) -> int:
    for byte in data:
        checksum = ((checksum & 1) << 15) + (checksum >> 1) + byte & 0xFFFF
    return checksum


def _set_checksum(entries: bytes) -> int:
    return _rolling(_rolling(0, entries[:2]), entries[4:])


def _name_hash(name: str) -> int:
    return _rolling(0, upcase(name).encode("utf-16-le"))
