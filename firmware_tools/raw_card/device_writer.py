"""Writing a card in an order that never leaves a half-written card that looks good.

First the partition table and all that marks a file system are erased and synced; then the new content is written and
synced; the boot regions, and last of all the partition table, make it a card again.
"""

import hashlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

from firmware_tools.block_device import BlockDevice
from firmware_tools.card import CardRecord, CardSpec
from firmware_tools.errors import InvalidInput, IOFailed
from firmware_tools.exfat.entries import ExfatTimestamp
from firmware_tools.exfat.geometry import Geometry
from firmware_tools.exfat.mbr import INCOMPLETE_MBR
from firmware_tools.firmware import Firmware
from firmware_tools.language import message
from firmware_tools.progress import ProgressReporter
from firmware_tools.raw_card.layout import CardLayout, Region
from firmware_tools.size import MIB, SECTOR_SIZE, round_card_size

_CHUNK_SIZE = MIB
_BUFFER_COUNT = 8
_SYNC_INTERVAL = 16 * MIB


def plan_layout(size: int, spec: CardSpec, firmware: Firmware) -> CardLayout:
    """Return the layout of a card of this many bytes; raise `InvalidInput` if the firmware does not fit."""
    geometry = Geometry.for_card(round_card_size(size))
    timestamp = ExfatTimestamp.from_epoch(firmware.modified)
    layout = CardLayout(geometry, spec.mac.volume_label, spec.firmware_path.value, firmware.size, timestamp)
    layout.check_space()
    return layout


def write_card(
    device: BlockDevice,
    spec: CardSpec,
    firmware: Firmware,
    *,
    progress: ProgressReporter,
    expected_sha256: bytes | None = None,
) -> CardRecord:
    """Write the whole card and return the record that is stored on it.

    Raises:
        InvalidInput: the firmware does not fit, changed while it was read, or has another SHA-256. In the last two
            cases the card is marked incomplete.
        IOFailed: the card or the firmware cannot be read or written; the card is marked incomplete.

    """
    layout = plan_layout(device.size, spec, firmware)
    fat_size = layout.geometry.fat_size
    with progress.phase(message("Writing"), fat_size + firmware.size) as advance:
        _erase_metadata(device, layout.geometry)
        device.sync()
        for region in layout.build_metadata():
            _write_region(device, region)
        advance(fat_size)
        sha256 = _copy_firmware(firmware, device, layout.file_offset, advance)
        firmware.check_sha256(sha256, expected_sha256)
        record = CardRecord(spec, sha256)
        for region in layout.build_boot_regions(record):
            _write_region(device, region)
        device.sync()
        _write_region(device, layout.build_partition_table(record))
        device.sync()
    return record


def _erase_metadata(device: BlockDevice, geometry: Geometry) -> None:
    """Erase all partition tables (a GPT has a second one at the end) and the start of any file system."""
    device.write(0, INCOMPLETE_MBR)
    device.write_zeros(SECTOR_SIZE, geometry.fat_offset - SECTOR_SIZE)
    device.write_zeros(device.size - MIB, MIB)


def _write_region(device: BlockDevice, region: Region) -> None:
    device.write(region.offset, region.data)
    device.write_zeros(region.offset + len(region.data), region.length - len(region.data))


def _copy_firmware(firmware: Firmware, device: BlockDevice, offset: int, advance: Callable[[int], None]) -> bytes:
    """Copy the firmware to the device and sync it; return the SHA-256 of what was written.

    Reading and writing, hashing, and syncing run in parallel. Syncing at intervals also keeps the progress honest:
    otherwise the system caches everything at once, and the last per cent takes as long as the whole card.
    """
    digest = hashlib.sha256()
    # Each buffer with the hashing of its last content, which must end before the buffer is filled again.
    buffers = deque((memoryview(bytearray(_CHUNK_SIZE)), _COMPLETED) for _ in range(_BUFFER_COUNT))
    position = synced_position = offset
    syncing = _COMPLETED
    with firmware.open() as source, ThreadPoolExecutor(1) as hasher, ThreadPoolExecutor(1) as syncer:
        while remaining := offset + firmware.size - position:
            buffer, hashing = buffers.popleft()
            hashing.result()
            chunk = buffer[: _read_chunk(source, buffer[: min(_CHUNK_SIZE, remaining)], firmware.name)]
            buffers.append((buffer, hasher.submit(digest.update, chunk)))
            device.write(position, chunk)
            position += len(chunk)
            advance(len(chunk))
            if position - synced_position >= _SYNC_INTERVAL:
                syncing.result()
                syncing, synced_position = syncer.submit(device.sync), position
        if source.read(1):
            raise InvalidInput(
                message("firmware {firmware}: it became longer while it was read", firmware=firmware.name)
            )
        syncing.result()
        device.write_zeros(position, -position % SECTOR_SIZE)
        device.sync()
    return digest.digest()


def _read_chunk(source: BinaryIO, buffer: memoryview, name: str) -> int:
    try:
        count: int = source.readinto(buffer)  # type: ignore[attr-defined]  # the streams of `Firmware` have it
    except OSError as error:
        raise IOFailed.from_os_error(message("reading"), f"firmware {name}", error) from error
    if not count:
        raise InvalidInput(message("firmware {name}: it became shorter while it was read", name=name))
    return count


_COMPLETED: Future[None] = Future()
_COMPLETED.set_result(None)
