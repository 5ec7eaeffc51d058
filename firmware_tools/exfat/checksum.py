"""The two checksums of exFAT: rotate right, add a byte."""

from collections.abc import Container


def checksum16(data: bytes, checksum: int = 0) -> int:
    """Return the checksum of entries and names; continue from that of earlier data, if given."""
    for byte in data:
        checksum = ((checksum & 1) << 15) + (checksum >> 1) + byte & 0xFFFF
    return checksum


def checksum32(data: bytes, skipped_offsets: Container[int] = ()) -> int:
    """Return the checksum of the boot region and the up-case table, without the bytes at some offsets."""
    checksum = 0
    for offset, byte in enumerate(data):
        if offset not in skipped_offsets:
            checksum = ((checksum & 1) << 31) + (checksum >> 1) + byte & 0xFFFFFFFF
    return checksum
