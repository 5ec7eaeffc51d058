"""Which camera the cloud means: it names cameras by numbers of its own, and events often by nothing else."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from gateway.cloud.client import Cloud
from gateway.errors import Problem
from gateway.protocol.catalogue import CATALOGUE
from gateway.settings import CloudSettings

AGAIN_S: Final = 300.0
"""How long the cloud is not asked again for a number that it did not tell, in seconds."""

_LIST: Final = CATALOGUE.get("cloud", "device/ipc/getList")

_log = logging.getLogger(__name__)


class CloudCameraIds:
    """The serial numbers of cameras by the cloud's numbers, as far as the cloud has told."""

    def __init__(self, cloud: Cloud, settings: CloudSettings) -> None:
        self._cloud = cloud
        self._settings = settings
        self._known: dict[str, str] = {}
        self._ask_from = 0.0
        self._asking: asyncio.Task[None] | None = None

    def serial_number(self, ipc_id: str) -> str | None:
        """Return the serial number, or None where it is not known; then the cloud is asked, for the next time."""
        if ipc_id and ipc_id not in self._known and time.monotonic() >= self._ask_from and self._asking is None:
            self._asking = asyncio.create_task(self.refresh())
        return self._known.get(ipc_id)

    async def refresh(self) -> None:
        """Ask the cloud for the shop's cameras; a failure changes nothing."""
        self._ask_from = time.monotonic() + AGAIN_S
        try:
            answer = await self._cloud.call(_LIST.encode({}, defaults=self._settings.shop))
        except Problem as exc:
            _log.debug("the cloud's numbers of the cameras are not known: %s", exc.detail)
        else:
            self._known |= _numbers(answer.data)
        finally:
            self._asking = None

    async def close(self) -> None:
        """Stop asking."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)


def _numbers(data: Any) -> dict[str, str]:
    rows = data.get("ipc_list") if isinstance(data, Mapping) else None
    return {
        str(row["ipc_id"]): row["ipc_sn"].strip()
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, Mapping) and isinstance(row.get("ipc_id"), (str, int)) and isinstance(row.get("ipc_sn"), str)
    }
