"""The file allocation table (FAT): for each cluster, the next one of its chain."""

import struct
from collections.abc import Iterable

RESERVED_ENTRIES = (0xFFFFFFF8, 0xFFFFFFFF)
"""The first two entries, which stand for no cluster."""
END_OF_CHAIN = 0xFFFFFFFF
"""The entry of the last cluster of a chain."""


def build_fat(chain_lengths: Iterable[int]) -> bytes:
    """Encode a table of chains that follow one another from the first cluster on."""
    entries = list(RESERVED_ENTRIES)
    for length in chain_lengths:
        entries += range(len(entries) + 1, len(entries) + length)
        entries.append(END_OF_CHAIN)
    return struct.pack(f"<{len(entries)}I", *entries)
