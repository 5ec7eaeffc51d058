"""Pictures of a plan's cameras: before its lens settings were changed, after, and at the last look: small JPEGs.

They show people, so they are in private files, and leave with the plan.
"""

import asyncio
import contextlib
import logging
from collections.abc import Collection
from pathlib import Path
from typing import Final, Literal, get_args

from gateway.cameras.record import is_serial_number
from gateway.storage.private_file import write_private

Moment = Literal["before", "after", "now"]
MOMENTS: Final[tuple[Moment, ...]] = get_args(Moment)
MAX_PICTURE_BYTES: Final = 512 * 1024
"""The most that one picture may take."""

_log: Final = logging.getLogger(__name__)


class PlanPictures:
    """The pictures of the plan, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, sn: str, moment: Moment) -> bool:
        """Tell whether there is a picture of a camera."""
        return is_serial_number(sn) and self._find_file(sn, moment).is_file()

    def list_moments(self, sn: str) -> list[Moment]:
        """Return the moments of which there are pictures of a camera."""
        return [moment for moment in MOMENTS if self.has(sn, moment)]

    async def save(self, sn: str, moment: Moment, jpeg: bytes) -> bool:
        """Keep a picture in place of the former one. Return false if it is too large or cannot be written."""
        if not is_serial_number(sn) or len(jpeg) > MAX_PICTURE_BYTES:
            return False
        try:
            await asyncio.to_thread(self._write, self._find_file(sn, moment), jpeg)
        except OSError as exc:
            _log.warning("a picture of the camera %s cannot be kept: %s", sn, exc)
            return False
        return True

    def load(self, sn: str, moment: Moment) -> bytes | None:
        """Return a picture; None if there is none. It reads a file."""
        if not self.has(sn, moment):
            return None
        try:
            return self._find_file(sn, moment).read_bytes()[:MAX_PICTURE_BYTES]
        except OSError:
            return None

    async def remove(self, sn: str, moment: Moment) -> None:
        """Delete a picture, if there is one."""
        if self.has(sn, moment):
            with contextlib.suppress(OSError):
                await asyncio.to_thread(self._find_file(sn, moment).unlink, missing_ok=True)

    def keep_only(self, serial_numbers: Collection[str]) -> None:
        """Delete the pictures of all cameras but these."""
        kept = {self._find_file(sn, moment).name for sn in serial_numbers if sn for moment in MOMENTS}
        with contextlib.suppress(OSError):
            for file in list(self._folder.iterdir()):
                if file.name not in kept:
                    file.unlink(missing_ok=True)
            if not kept:
                self._folder.rmdir()

    def _find_file(self, sn: str, moment: Moment) -> Path:
        return self._folder / f"{sn}.{moment}.jpg"

    def _write(self, file: Path, jpeg: bytes) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        write_private(file, jpeg)
