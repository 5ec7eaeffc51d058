"""Waiting until written data is really on the disk or card."""

import os
import sys
from pathlib import Path


def sync_file(descriptor: int) -> None:
    """Return when all that was written to a file or device is on the medium; raise `OSError` if it cannot be."""
    os.fsync(descriptor)
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)  # fsync leaves the data in the drive's own cache there


def sync_folder(folder: Path) -> None:
    """Return when the names in a folder are on the disk; raise `OSError` if they cannot be."""
    if os.name == "nt":
        return  # folders cannot be opened there
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
