"""However writing is broken off, verification never says good: processes killed, power lost, writes reordered."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_tools.card import Card, CardFile
from firmware_tools.firmware import Firmware, load_firmware
from firmware_tools.mac import Mac
from firmware_tools.medium import open_medium
from firmware_tools.progress import Unseen
from firmware_tools.verification import verify_card
from firmware_tools.writer import write_card

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


class PowerLost(Exception):
    """Nothing reaches the card any more."""


class FailingCard:
    """A card behind a cache: what was not synced before the power goes may be there, or not, or in part.

    Sectors are written whole or not at all, as cards do.
    """

    name = "failing card"

    def __init__(self, content: bytes, lives: int, chance: random.Random) -> None:
        self.content = bytearray(content)
        self._waiting: list[tuple[int, bytes]] = []
        self._lives = lives
        self._chance = chance
        self._lock = threading.Lock()
        self.events = 0

    @property
    def size(self) -> int:
        return len(self.content)

    def read(self, offset: int, length: int) -> bytes:
        return bytes(self.content[offset : offset + length])

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        with self._lock:
            self._live()
            self._waiting += [(offset + at, bytes(data[at : at + 512])) for at in range(0, len(data), 512)]

    def zero(self, offset: int, length: int) -> None:
        if length:
            self.write(offset, bytes(length))

    def sync(self) -> None:
        with self._lock:
            self._live()
            for offset, data in self._waiting:
                self.content[offset : offset + len(data)] = data
            self._waiting.clear()

    def forget(self) -> None: ...

    def _live(self) -> None:
        self.events += 1
        if self.events <= self._lives:
            return
        share = self._chance.choice([0.0, 0.1, 0.5, 0.9, 1.0])
        for offset, data in self._chance.sample(self._waiting, round(share * len(self._waiting))):
            self.content[offset : offset + len(data)] = data
        self._waiting.clear()
        raise PowerLost


def old_and_new(write: Callable[..., Path], tmp_path: Path) -> tuple[bytes, Firmware]:
    """Return a good card and the firmware that replaces it: the worst case, as most structures stay alike."""
    old = tmp_path / "old.bin"
    old.write_bytes(random.Random(7).randbytes(5_000_000))
    new = tmp_path / "new.bin"
    new.write_bytes(random.Random(8).randbytes(5_000_000))
    return write(firmware=old).read_bytes(), load_firmware([new])


@pytest.mark.parametrize("file", [CardFile.UPDATE, CardFile.RECOVERY])
def test_power_lost_at_any_moment(
    write: Callable[..., Path], tmp_path: Path, mac: Mac, full: bool, file: CardFile
) -> None:
    content, firmware = old_and_new(write, tmp_path)
    whole = FailingCard(content, 10**9, random.Random(9))
    write_card(whole, Card(mac, file), firmware, progress=Unseen())
    assert verify_card(whole, progress=Unseen()).good
    chance = random.Random(10)
    rounds = 500 if full else 50
    for attempt in range(rounds):
        lives = attempt if attempt < whole.events else chance.randrange(whole.events)
        card = FailingCard(content, lives, chance)
        with pytest.raises(PowerLost):
            write_card(card, Card(mac, file), firmware, progress=Unseen())
        findings = verify_card(card, progress=Unseen())
        if findings.good:  # then it is one of the two whole cards
            before_anything = lives <= 4
            assert before_anything or card.content == whole.content, f"half a card looks good after {lives} events"
    print(f"{file.mode}: power lost {rounds} times among {whole.events} writes and flushes")  # noqa: T201


WRITER = """
import sys
from pathlib import Path
from firmware_tools.card import Card
from firmware_tools.firmware import load_firmware
from firmware_tools.mac import Mac
from firmware_tools.medium import open_medium
from firmware_tools.progress import Unseen
from firmware_tools.writer import write_card

device, firmware = map(Path, sys.argv[1:])
with open_medium(device, writable=True) as medium:
    source = load_firmware([firmware])
    print("ready", flush=True)
    write_card(medium, Card(Mac.parse("0C:25:76:0A:1B:2C")), source, progress=Unseen())
    print("done", flush=True)
"""


def test_writer_killed(
    write: Callable[..., Path], tmp_path: Path, loop_device: Callable[..., Path], full: bool
) -> None:
    firmware = tmp_path / "new.bin"
    firmware.write_bytes(random.Random(11).randbytes(20_000_000))
    image = write(size=64 << 20)
    old = image.read_bytes()
    device = loop_device(image)
    took = run_writer(device, firmware, None)
    chance = random.Random(12)
    rounds, finished = 50 if full else 12, 0
    for _ in range(rounds):
        with open_medium(device, writable=True) as medium:
            medium.write(0, old)
            medium.sync()
        delay = chance.uniform(0, took)
        run_writer(device, firmware, delay)
        with open_medium(device) as medium:
            findings = verify_card(medium, progress=Unseen())
        if findings.good:
            assert findings.size in (20_000_000, 1_234_567), "only a whole card is good"
            finished += 1
    print(f"writer killed {rounds} times; {finished} times it had not begun or was through")  # noqa: T201
    assert finished < rounds


def run_writer(device: Path, firmware: Path, kill_after_s: float | None) -> float:
    """Write a card in a process of its own; kill it that many seconds after it began. Return how long it took."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(device), str(firmware)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        began = time.monotonic()
        if kill_after_s is None:
            assert writer.stdout.readline() == b"done\n"
            return time.monotonic() - began
        try:
            writer.wait(kill_after_s)
        except subprocess.TimeoutExpired:
            writer.send_signal(signal.SIGKILL)
        return writer.wait(30)
