"""Writing behind: changes of cameras are gathered for a moment and stored together, off the caller's path."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import Final

from gateway.cameras.record import CameraRecord
from gateway.cameras.table import CameraTable
from gateway.errors import StateError

GATHER_S: Final = 5.0
"""How long changes that discovery brought may wait, in seconds; a crash loses no more than discovery brings again."""
RETRY_S: Final = 30.0

_log = logging.getLogger(__name__)


class WriteBehind:
    """Stores cameras of a mapping by serial number: those that changed, and that some are not in it any more."""

    def __init__(self, table: CameraTable, cameras: Mapping[str, CameraRecord]) -> None:
        self._table = table
        self._cameras = cameras
        self._touched: set[str] = set()
        self._flushing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def later(self, sn: str) -> None:
        """Store a camera, or that it is gone, within `GATHER_S`; a failure is logged and tried again."""
        self._touched.add(sn)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._store_soon())

    async def flush(self) -> None:
        """Store all that has changed until now. Raises `StateError`; what was not stored stays to be stored."""
        async with self._flushing:
            touched, self._touched = self._touched, set()
            present = [self._cameras[sn].to_stored() for sn in touched if sn in self._cameras]
            gone = [sn for sn in touched if sn not in self._cameras]
            try:
                if present:
                    await self._table.save(*present)
                if gone:
                    await self._table.delete(*gone)
            except BaseException:
                self._touched |= touched
                raise

    async def close(self) -> None:
        """Store what is left. Raises `StateError`."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self.flush()

    async def _store_soon(self) -> None:
        wait, level = GATHER_S, logging.ERROR
        while self._touched:
            await asyncio.sleep(wait)
            try:
                await self.flush()
            except StateError as exc:
                _log.log(level, "Changes of cameras could not be stored, trying again every %g s: %s", RETRY_S, exc)
                wait, level = RETRY_S, logging.DEBUG
