"""The system clock of a process of its own, which libfaketime moves; its monotonic clock stays true."""

import os
import platform
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

LIBRARY = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)

AHEAD_S = int(os.environ.get("TEST_CLOCK_AHEAD_S", "0"))
"""How far the clock of all tests is ahead of the true one, in seconds."""

EMULATOR = shutil.which(f"qemu-{platform.machine()}")
"""Runs programs that ask the kernel for the time themselves, as those in Go do, so that their clock can be moved."""

needs_faketime = pytest.mark.skipif(LIBRARY is None, reason="needs libfaketime (Debian: faketime)")
needs_emulator = pytest.mark.skipif(
    LIBRARY is None or EMULATOR is None, reason="needs libfaketime and QEMU (Debian: faketime, qemu-user)"
)


def move_clock(days: int) -> Sequence[str]:
    """Return what begins a command so that its clock is so many days from the true one, whatever it is written in."""
    return (
        "env", "-u", "FAKETIME_TIMESTAMP_FILE", f"LD_PRELOAD={LIBRARY}", f"FAKETIME={days:+}d",
        "FAKETIME_DONT_FAKE_MONOTONIC=1", str(EMULATOR),
    )  # fmt: skip


class SystemClock:
    """The system clock of the processes that run in `environment`; it stands in `file`."""

    def __init__(self, file: Path, moment: datetime) -> None:
        self._file = file
        self.jump_to(moment)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def jump_to(self, moment: datetime) -> None:
        """Let every process that runs, and each that starts later, have lived since its start from `moment` on."""
        self._file.write_text(f"@{moment.astimezone():%Y-%m-%d %H:%M:%S}\n")
