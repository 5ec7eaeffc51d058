"""What a process on Linux uses."""

import os
from pathlib import Path


class ProcessUse:
    """Processor, memory and disk of a process that runs."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")

    @property
    def cpu_s(self) -> float:
        """The processor time that it has used, in seconds."""
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def own_mb(self) -> float:
        """What it holds in memory that is its own, in MB: the files that the system keeps for it do not count."""
        return self._read("status", "RssAnon:") / 1024

    @property
    def resident_mb(self) -> float:
        """What it holds in memory, in MB, with the libraries and other files that are mapped."""
        return self._read("status", "VmRSS:") / 1024

    @property
    def peak_mb(self) -> float:
        """The most that it has held in memory, in MB."""
        return self._read("status", "VmHWM:") / 1024

    @property
    def written_bytes(self) -> int:
        """How much it has had written to disks, in bytes."""
        return self._read("io", "\nwrite_bytes:")

    def _read(self, file: str, name: str) -> int:
        return int((self._folder / file).read_text().partition(name)[2].split()[0])
