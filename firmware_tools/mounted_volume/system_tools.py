"""What is needed of the operating system: implemented for Windows and macOS with the programs that come with them."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from firmware_tools.drives.drive import Drive
from firmware_tools.errors import IOFailed
from firmware_tools.language import message

ProgramRunner = Callable[[Sequence[str]], bytes]
"""Runs a program of the system and returns what it prints; raises `IOFailed` if it fails."""


@dataclass(frozen=True, slots=True)
class MountedVolume:
    """A drive and the volume on it."""

    drive: Drive
    """The drive."""
    mount_point: Path | None
    """Where the volume is mounted; None if the drive has no mounted volume, or several."""
    file_system: str
    """Name of the file system; empty if unknown."""
    label: str
    """Volume label; empty if there is none."""


class SystemTools(Protocol):
    """Lists, labels and ejects cards with the tools of the operating system."""

    def list_volumes(self, max_size: int) -> list[MountedVolume]:
        """List all drives, with the volume on each; a drive larger than `max_size` bytes is not offered."""

    def describe_formatting(self, drive: Drive, label: str) -> list[str]:
        """Return the steps by which the user formats this card as exFAT."""

    def set_label(self, volume: MountedVolume, label: str) -> None:
        """Set the label of a volume; raise `IOFailed` if the system refuses."""

    def eject(self, volume: MountedVolume) -> None:
        """Eject the card; raise `IOFailed` if it is in use."""


def run_program(command: Sequence[str]) -> bytes:
    """Run a program of the system and return what it prints; raise `IOFailed` if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=120, check=False)  # noqa: S603 - no shell
    except (OSError, subprocess.TimeoutExpired) as error:
        raise IOFailed(message("{command}: it cannot be run: {reason}", command=command[0], reason=error)) from error
    if done.returncode != 0:
        output = " ".join((done.stderr or done.stdout).decode(errors="replace").split())
        raise IOFailed(
            message(
                "{command}: {reason}",
                command=command[0],
                reason=output or message("it failed with status {status}", status=done.returncode),
            )
        )
    return done.stdout
