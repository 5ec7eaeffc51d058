"""The system clock of a process of its own, which libfaketime moves; its monotonic clock stays true."""

import os
from datetime import datetime
from pathlib import Path

import pytest

LIBRARY = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)

AHEAD_S = int(os.environ.get("TEST_CLOCK_AHEAD_S", "0"))
"""How far the clock of all tests is ahead of the true one, in seconds."""

needs_faketime = pytest.mark.skipif(LIBRARY is None, reason="needs libfaketime (Debian: faketime)")


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
