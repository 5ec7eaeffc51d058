"""However writing is interrupted, no half-written card is good: power lost, writes reordered, processes killed."""

import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_tools.block_device import open_block_device
from firmware_tools.card import CardSpec, FirmwarePath
from firmware_tools.firmware import Firmware, load_firmware
from firmware_tools.mac import Mac
from firmware_tools.progress import NullProgress
from firmware_tools.raw_card.device_writer import write_card
from firmware_tools.raw_card.verification import verify_card
from tests.firmware_tools.conftest import ENVIRONMENT, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


class PowerLost(Exception):
    """Nothing reaches the card any more."""


class FailingCard:
    """A card with a write cache that loses power after some writes and syncs.

    What was not synced may then be on the card, or not, or in part. A sector is written whole or not at all.
    """

    name = "failing card"

    def __init__(self, content: bytes, max_operations: int, generator: random.Random) -> None:
        self.content = bytearray(content)
        self.operations = 0
        self._max_operations = max_operations
        self._generator = generator
        self._cache: list[tuple[int, bytes]] = []
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        return len(self.content)

    def read(self, offset: int, length: int) -> bytes:
        return bytes(self.content[offset : offset + length])

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        with self._lock:
            self._count_operation()
            self._cache += [(offset + start, bytes(data[start : start + 512])) for start in range(0, len(data), 512)]

    def write_zeros(self, offset: int, length: int) -> None:
        if length:
            self.write(offset, bytes(length))

    def sync(self) -> None:
        with self._lock:
            self._count_operation()
            self._apply(self._cache)
            self._cache.clear()

    def drop_cache(self) -> None: ...

    def _count_operation(self) -> None:
        self.operations += 1
        if self.operations <= self._max_operations:
            return
        share = self._generator.choice([0.0, 0.1, 0.5, 0.9, 1.0])
        self._apply(self._generator.sample(self._cache, round(share * len(self._cache))))
        self._cache.clear()
        raise PowerLost

    def _apply(self, sectors: list[tuple[int, bytes]]) -> None:
        for offset, data in sectors:
            self.content[offset : offset + len(data)] = data


def make_old_card_and_new_firmware(make_image: Callable[..., Path], tmp_path: Path) -> tuple[bytes, Firmware]:
    """Return a good card and a firmware of the same size: the worst case, as most of the metadata stays the same."""
    old, new = tmp_path / "old.bin", tmp_path / "new.bin"
    old.write_bytes(random.Random(7).randbytes(5_000_000))
    new.write_bytes(random.Random(8).randbytes(5_000_000))
    return make_image(firmware=old).read_bytes(), load_firmware([new])


@pytest.mark.parametrize("path", [FirmwarePath.UPDATE, FirmwarePath.RECOVERY])
def test_power_loss(
    make_image: Callable[..., Path], tmp_path: Path, mac: Mac, full_proofs: bool, path: FirmwarePath
) -> None:
    content, firmware = make_old_card_and_new_firmware(make_image, tmp_path)
    complete = FailingCard(content, 10**9, random.Random(9))
    write_card(complete, CardSpec(mac, path), firmware, progress=NullProgress())
    assert verify_card(complete, progress=NullProgress()).is_good
    generator = random.Random(10)
    rounds = 500 if full_proofs else 50
    for attempt in range(rounds):
        limit = attempt if attempt < complete.operations else generator.randrange(complete.operations)
        card = FailingCard(content, limit, generator)
        with pytest.raises(PowerLost):
            write_card(card, CardSpec(mac, path), firmware, progress=NullProgress())
        if verify_card(card, progress=NullProgress()).is_good:
            is_old_card = limit <= 4
            assert is_old_card or card.content == complete.content, f"half a card is good after {limit} operations"
    print(f"{path.mode}: power lost {rounds} times among {complete.operations} writes and syncs")  # noqa: T201


WRITER = """
import sys
from contextlib import contextmanager
from pathlib import Path
from firmware_tools.block_device import open_block_device
from firmware_tools.card import CardSpec
from firmware_tools.firmware import load_firmware
from firmware_tools.mac import Mac
from firmware_tools.raw_card.device_writer import write_card

class PrintedProgress:
    @contextmanager
    def phase(self, title, total):
        print("started", flush=True)
        yield lambda count: print("advanced", flush=True)

path, firmware = map(Path, sys.argv[1:])
with open_block_device(path, writable=True) as device:
    spec = CardSpec(Mac.parse("0C:25:76:0A:1B:2C"))
    write_card(device, spec, load_firmware([firmware]), progress=PrintedProgress())
"""
"""Writes a card, and prints a line when it starts and whenever it advances."""


def test_killed_writer(
    make_image: Callable[..., Path], tmp_path: Path, attach_loop_device: Callable[..., Path], full_proofs: bool
) -> None:
    firmware = tmp_path / "new.bin"
    firmware.write_bytes(random.Random(11).randbytes(20_000_000))
    image = make_image(size=64 << 20)
    old_card = image.read_bytes()
    path = attach_loop_device(image)
    line_count = run_writer(path, firmware)
    generator = random.Random(12)
    rounds, good = 50 if full_proofs else 12, 0
    for _ in range(rounds):
        with open_block_device(path, writable=True) as device:
            device.write(0, old_card)
            device.sync()
        run_writer(path, firmware, kill_after_lines=generator.randint(1, line_count))
        with open_block_device(path) as device:
            result = verify_card(device, progress=NullProgress())
        if result.is_good:
            assert result.firmware_size in (20_000_000, 1_234_567), "only a complete card is good"
            good += 1
    print(f"writer killed {rounds} times; {good} times it had not begun or was done")  # noqa: T201
    assert good < rounds


def run_writer(path: Path, firmware: Path, kill_after_lines: int | None = None) -> int:
    """Write a card in another process; kill it when it has printed so many lines. Return how many it printed."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, path, firmware], stdout=subprocess.PIPE, cwd=ROOT, env=ENVIRONMENT
    ) as writer:
        assert writer.stdout is not None
        line_count = 0
        for line_count, _ in enumerate(writer.stdout, 1):
            if line_count == kill_after_lines:
                writer.send_signal(signal.SIGKILL)
        assert writer.wait() == 0 or kill_after_lines is not None
        return line_count
