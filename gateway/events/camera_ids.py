"""Camera ids: the cloud names cameras by ids of its own, and often an event by nothing else."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from gateway.cloud.client import CloudClient
from gateway.errors import Problem
from gateway.protocol.catalogue import CATALOGUE
from gateway.runtime.supervisor import Supervisor
from gateway.settings import CloudSettings

MIN_REFRESH_INTERVAL_S: Final = 300.0
"""How long the cloud is not asked again about an id that it did not name, in seconds."""

_LIST: Final = CATALOGUE.get("cloud", "device/ipc/getList")

_log: Final = logging.getLogger(__name__)


class CloudCameraIds:
    """The serial numbers of cameras by the cloud's ids, as far as the cloud has named them."""

    def __init__(self, cloud: CloudClient, settings: CloudSettings, supervisor: Supervisor) -> None:
        """Start without ids."""
        self._cloud = cloud
        self._settings = settings
        self._supervisor = supervisor
        self._known: dict[str, str] = {}
        self._next_refresh_at = 0.0
        self._refresh: asyncio.Task[None] | None = None

    def serial_number(self, ipc_id: str) -> str | None:
        """Return the serial number, or None if it is not known: then the cloud is asked, for the next time."""
        is_idle = self._refresh is None or self._refresh.done()
        if ipc_id and ipc_id not in self._known and is_idle and time.monotonic() >= self._next_refresh_at:
            self._refresh = self._supervisor.start_job("camera ids", self.refresh())
        return self._known.get(ipc_id)

    def has_camera(self, sn: str) -> bool:
        """Tell whether the cloud has named a camera as one of the shop's."""
        return sn in self._known.values()

    async def find_ipc_id(self, sn: str) -> str | None:
        """Return the cloud's id of a camera, or None if the cloud does not name one. It is asked if need be."""
        if not self.has_camera(sn):
            await self.refresh()
        return next((ipc_id for ipc_id, known in self._known.items() if known == sn), None)

    async def refresh(self) -> None:
        """Ask the cloud for the shop's cameras. If it does not answer, nothing changes."""
        self._next_refresh_at = time.monotonic() + MIN_REFRESH_INTERVAL_S
        try:
            response = await self._cloud.call(_LIST.encode({}, defaults=self._settings.shop))
        except Problem as exc:
            _log.debug("the cloud's ids of the cameras are not known: %s", exc.detail)
        else:
            self._known |= _parse_list(response.data)

    async def close(self) -> None:
        """Stop asking."""
        if self._refresh is not None:
            self._refresh.cancel()
            await asyncio.wait([self._refresh])


def _parse_list(data: Any) -> dict[str, str]:
    rows = data.get("ipc_list") if isinstance(data, Mapping) else None
    return {
        str(row["ipc_id"]): row["ipc_sn"].strip()
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, Mapping) and isinstance(row.get("ipc_id"), (str, int)) and isinstance(row.get("ipc_sn"), str)
    }
