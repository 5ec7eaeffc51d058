"""What filling asks of the operating system: one implementation each for Windows and macOS."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from firmware_tools.drives.drive import Drive
from firmware_tools.errors import MediumFailed

Run = Callable[[Sequence[str]], bytes]
"""Runs a program of the system and returns what it prints; raises `MediumFailed` if it fails."""


@dataclass(frozen=True, slots=True)
class MountedVolume:
    """A card as the system shows it: at most one of its partitions is mounted and usable."""

    drive: Drive
    mount: Path | None
    file_system: str
    label: str


class System(Protocol):
    """Finding, labelling and releasing cards with the system's own tools."""

    def volumes(self, size_cap: int) -> list[MountedVolume]:
        """List the drives, with the volume on each."""

    def format_steps(self, drive: Drive, label: str) -> list[str]:
        """Return how a person formats this card as exFAT, exactly."""

    def set_label(self, volume: MountedVolume, label: str) -> None:
        """Set the volume's label; raise `MediumFailed` where the system does not let us."""

    def eject(self, volume: MountedVolume) -> None:
        """Release the card; raise `MediumFailed` if it is in use."""


def run_program(command: Sequence[str]) -> bytes:
    """Run a program of the system."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=120, check=False)  # noqa: S603 - no shell
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MediumFailed(f"{command[0]}: it cannot be run: {error}") from error
    if done.returncode != 0:
        words = (done.stderr or done.stdout).decode(errors="replace").split()
        raise MediumFailed(f"{command[0]}: {' '.join(words) or f'it failed with status {done.returncode}'}")
    return done.stdout
