"""A disk that can be slow and lose power: it sees every write and flush of a process, in the process itself.

`disk.c` is built with the C compiler into a folder of the caller's and put before the C library with LD_PRELOAD.
"""

import random
import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
"""What a disk writes whole or not at all, in bytes."""


def compiler() -> str | None:
    """Return the C compiler of this machine, if it has one."""
    return shutil.which("cc") or shutil.which("gcc")


def build(folder: Path) -> Path:
    """Build the library and return its path."""
    library = folder / "disk.so"
    source = Path(__file__).with_name("disk.c")
    found = compiler()
    assert found is not None, "the slow disk needs a C compiler"
    command = [found, "-O2", "-Wall", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl", "-lpthread"]
    subprocess.run(command, check=True, capture_output=True)
    return library


def slow(library: Path, folder: Path, *, delay_ms: float, count: Path) -> dict[str, str]:
    """Return the environment in which each flush below `folder` takes longer and is counted in the file `count`."""
    return {
        "LD_PRELOAD": str(library),
        "DISK_FOLDER": str(folder),
        "DISK_DELAY_US": str(int(delay_ms * 1000)),
        "DISK_COUNT": str(count),
    }


def flushes(count: Path) -> int:
    """Return how many flushes were counted."""
    return int.from_bytes(count.read_bytes()[:8], "little")


@dataclass(slots=True)
class _File:
    content: bytearray
    pending: list[tuple[str, int, bytes]] = field(default_factory=list)
    begun: int = 0

    def apply(self, kind: str, offset: int, data: bytes) -> None:
        if kind == "T":
            del self.content[offset:]
            self.content.extend(bytes(offset - len(self.content)))
            return
        if len(self.content) < offset:
            self.content.extend(bytes(offset - len(self.content)))
        self.content[offset : offset + len(data)] = data


def after_power_cut(
    journal: Path, before: Path, folder: Path, dice: random.Random, *, survival: float | None = None
) -> int:
    """Make of the files in `folder` what a power cut may leave; return how many sectors it lost.

    `before` holds the files as they were when the journal began. All that was flushed is there. Of what was written
    since, each sector is there or not by chance, whatever the order of writing: with the probability `survival`, or one
    that differs from file to file. SQLite's shared memory is gone; it is only a cache.
    """
    files: dict[str, _File] = {}
    for kind, path, offset, data in _records(journal.read_bytes()):
        if Path(path).parent != folder or path.endswith("-shm"):
            continue
        if path not in files:
            old = before / Path(path).name
            files[path] = _File(bytearray(old.read_bytes() if old.exists() else b""))
        file = files[path]
        match kind:
            case "B":
                file.begun = len(file.pending)
            case "S":
                for one in file.pending[: file.begun]:
                    file.apply(*one)
                del file.pending[: file.begun]
                file.begun = 0
            case _:
                file.pending.append((kind, offset, data))
    lost = 0
    for path, file in files.items():
        if not Path(path).exists():
            continue  # was deleted later
        chance = dice.choice((0.0, 0.5, 0.9, 1.0)) if survival is None else survival
        for kind, offset, data in file.pending:
            if kind == "T":
                if dice.random() < chance:
                    file.apply(kind, offset, data)
                continue
            for start in range(0, len(data), SECTOR):
                if dice.random() < chance:
                    file.apply("W", offset + start, data[start : start + SECTOR])
                else:
                    lost += 1
        Path(path).write_bytes(file.content)
    for memory in folder.glob("*-shm"):
        memory.unlink()
    return lost


def _records(raw: bytes) -> Iterator[tuple[str, str, int, bytes]]:
    place = 0
    while place + 3 <= len(raw):
        kind, length = chr(raw[place]), struct.unpack_from("<H", raw, place + 1)[0]
        place += 3
        path = raw[place : place + length].decode()
        place += length
        if place + 12 > len(raw):
            return  # the process died while it wrote this
        offset, size = struct.unpack_from("<QI", raw, place)
        place += 12
        if place + size > len(raw):
            return
        yield kind, path, offset, raw[place : place + size]
        place += size
