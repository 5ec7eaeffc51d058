"""Write-behind: changes of cameras are collected for some seconds and stored together."""

import asyncio
from collections.abc import Mapping
from typing import Final

from gateway.cameras.record import CameraRecord
from gateway.cameras.table import CameraTable
from gateway.runtime.supervisor import Service, Supervisor

STORE_INTERVAL_S: Final = 5.0
"""How long a change may wait, in seconds. A crash loses no more than discovery brings again."""


class WriteBehind:
    """Stores those cameras of a mapping that have changed, and deletes those that are no longer in it."""

    def __init__(self, table: CameraTable, cameras: Mapping[str, CameraRecord], supervisor: Supervisor) -> None:
        self._table = table
        self._cameras = cameras
        self._supervisor = supervisor
        self._changed: set[str] = set()
        self._flushing = asyncio.Lock()
        self._service: Service | None = None

    def start(self) -> None:
        """Store changes from now on. A failure is reported by the supervisor, and the changes are tried again."""
        self._service = self._supervisor.start_periodic("camera storage", self.flush, interval_s=STORE_INTERVAL_S)

    def mark_changed(self, sn: str) -> None:
        """Have a camera stored soon, or deleted if it is no longer there."""
        self._changed.add(sn)

    async def flush(self) -> None:
        """Store all changes until now. Raises `StateError`; what was not stored is kept for the next time."""
        async with self._flushing:
            changed, self._changed = self._changed, set()
            present = [self._cameras[sn] for sn in changed if sn in self._cameras]
            removed = [sn for sn in changed if sn not in self._cameras]
            try:
                if present:
                    await self._table.save(*present)
                if removed:
                    await self._table.delete(*removed)
            except BaseException:
                self._changed |= changed
                raise

    async def close(self) -> None:
        """Stop, and store what is left. Raises `StateError`."""
        if self._service is not None:
            await self._service.stop()
        await self.flush()
