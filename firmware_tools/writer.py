"""Writing a card so that being stopped at any moment never leaves one that looks good.

First everything that made the old content readable is wiped and synced; then the new content is written and
synced; the boot regions and last of all the partition table make it a card.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO

from firmware_tools.card import Card, CardRecord
from firmware_tools.errors import InputRefused, MediumFailed
from firmware_tools.exfat.entries import Stamp
from firmware_tools.exfat.geometry import SECTOR, Geometry
from firmware_tools.exfat.partition import INCOMPLETE
from firmware_tools.firmware import Firmware
from firmware_tools.layout import Layout, Piece
from firmware_tools.medium import Medium
from firmware_tools.progress import Progress
from firmware_tools.size import MIB, check_card_size

_CHUNK = MIB
_BUFFERS = 8


@dataclass(frozen=True, slots=True)
class Written:
    """What is on the card now."""

    layout: Layout
    record: CardRecord


def plan_card(size: int, card: Card, firmware: Firmware) -> Layout:
    """Return where everything will go on a card of this many bytes; raise `InputRefused` if it cannot."""
    geometry = Geometry.for_card(check_card_size(size))
    layout = Layout(geometry, card.mac.label, card.file.value, firmware.size, Stamp.at(firmware.modified))
    layout.check_room()
    return layout


def write_card(
    medium: Medium, card: Card, firmware: Firmware, *, progress: Progress, expected_sha256: bytes | None = None
) -> Written:
    """Write the whole card.

    Raises:
        InputRefused: the firmware does not fit, changed while it was read, or has another SHA-256. The last two
            leave a card that is plainly incomplete.
        MediumFailed: the card or the firmware cannot be read or written; likewise.
    """
    layout = plan_card(medium.size, card, firmware)
    with progress.phase("Writing", layout.geometry.fat_size + firmware.size) as advance:
        _wipe(medium, layout.geometry)
        medium.sync()
        for piece in layout.metadata():
            _put(medium, piece)
        advance(layout.geometry.fat_size)
        digest = hashlib.sha256()
        position = layout.file_offset
        with firmware.open() as source, ThreadPoolExecutor(1) as hasher:
            for chunk in _chunks(source, firmware, lambda part: hasher.submit(digest.update, part)):
                medium.write(position, chunk)
                position += len(chunk)
                advance(len(chunk))
            medium.zero(position, -position % SECTOR)
            medium.sync()
        record = CardRecord(card, digest.digest())
        if expected_sha256 not in (None, record.sha256):
            raise InputRefused(
                f"firmware {firmware.name}: its SHA-256 is {record.sha256.hex()}, not the expected one; download it again"
            )
        for piece in layout.boot_regions(record):
            _put(medium, piece)
        medium.sync()
        _put(medium, layout.partition_table(record))
        medium.sync()
    return Written(layout, record)


def _wipe(medium: Medium, geometry: Geometry) -> None:
    """Remove partition tables (also the one that GPT keeps at the end) and all that marks a file system."""
    medium.write(0, INCOMPLETE)
    medium.zero(SECTOR, geometry.fat_offset - SECTOR)
    medium.zero(medium.size - MIB, MIB)


def _put(medium: Medium, piece: Piece) -> None:
    medium.write(piece.offset, piece.data)
    medium.zero(piece.offset + len(piece.data), piece.length - len(piece.data))


def _chunks(
    source: BinaryIO, firmware: Firmware, hashed: Callable[[memoryview], Future[None]]
) -> Iterator[memoryview]:
    """Yield the firmware in a few buffers used in turn, each again once it is hashed; insist on the promised size."""
    free = deque((memoryview(bytearray(_CHUNK)), _NOTHING_TO_DO) for _ in range(_BUFFERS))
    missing = firmware.size
    while missing:
        buffer, hashing = free.popleft()
        hashing.result()
        try:
            count = source.readinto(buffer[: min(_CHUNK, missing)])  # type: ignore[attr-defined]
        except OSError as error:
            raise MediumFailed.during("reading", f"firmware {firmware.name}", error) from error
        if not count:
            raise InputRefused(f"firmware {firmware.name}: it became shorter while it was read")
        missing -= count
        free.append((buffer, hashed(buffer[:count])))
        yield buffer[:count]
    if source.read(1):
        raise InputRefused(f"firmware {firmware.name}: it became longer while it was read")


_NOTHING_TO_DO: Future[None] = Future()
_NOTHING_TO_DO.set_result(None)
