"""Writing a card so that being stopped at any moment never leaves one that looks good.

First everything that made the old content readable is wiped and synced; then the new content is written and
synced; the boot regions and last of all the partition table make it a card.
"""

import hashlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO

from firmware_tools.card import Card, CardRecord
from firmware_tools.errors import InputRefused, MediumFailed
from firmware_tools.exfat.entries import Stamp
from firmware_tools.exfat.geometry import SECTOR, Geometry
from firmware_tools.exfat.partition import INCOMPLETE
from firmware_tools.firmware import Firmware, wrong_sha256
from firmware_tools.layout import Layout, Piece
from firmware_tools.medium import Medium
from firmware_tools.progress import Progress
from firmware_tools.size import MIB, check_card_size

_CHUNK = MIB
_BUFFERS = 8
_FLUSH_EVERY = 16 * MIB


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
        digest = _copy(firmware, medium, layout.file_offset, advance)
        record = CardRecord(card, digest)
        if expected_sha256 not in (None, record.sha256):
            raise wrong_sha256(firmware.name, digest)
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


def _copy(firmware: Firmware, medium: Medium, offset: int, advance: Callable[[int], None]) -> bytes:
    """Copy the firmware to the medium and sync it; return the SHA-256 of what was written.

    Reading and writing, hashing, and flushing go on side by side. Flushing all the time also keeps the progress
    honest: otherwise the system takes everything at once, and the last per cent lasts as long as the whole card.
    """
    digest = hashlib.sha256()
    free = deque((memoryview(bytearray(_CHUNK)), _DONE) for _ in range(_BUFFERS))
    position = flushed = offset
    flushing = _DONE
    with firmware.open() as source, ThreadPoolExecutor(1) as hasher, ThreadPoolExecutor(1) as flusher:
        while missing := offset + firmware.size - position:
            buffer, hashing = free.popleft()
            hashing.result()
            chunk = buffer[: _read(source, buffer[: min(_CHUNK, missing)], firmware.name)]
            free.append((buffer, hasher.submit(digest.update, chunk)))
            medium.write(position, chunk)
            position += len(chunk)
            advance(len(chunk))
            if position - flushed >= _FLUSH_EVERY:
                flushing.result()
                flushing, flushed = flusher.submit(medium.sync), position
        if source.read(1):
            raise InputRefused(f"firmware {firmware.name}: it became longer while it was read")
        flushing.result()
        medium.zero(position, -position % SECTOR)
        medium.sync()
    return digest.digest()


def _read(source: BinaryIO, buffer: memoryview, name: str) -> int:
    try:
        count: int = source.readinto(buffer)  # type: ignore[attr-defined]  # every binary stream of ours has it
    except OSError as error:
        raise MediumFailed.during("reading", f"firmware {name}", error) from error
    if not count:
        raise InputRefused(f"firmware {name}: it became shorter while it was read")
    return count


_DONE: Future[None] = Future()
_DONE.set_result(None)
