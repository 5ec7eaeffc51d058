"""Pictures of cameras by way of the cloud: it starts a stream, sends it as FLV, and is told when nobody watches."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Final

from firmware_tools.language import message
from gateway.cloud.client import CloudClient
from gateway.errors import NotFound, Problem
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Call
from gateway.protocol.stream_url import check_cloud_url
from gateway.runtime.supervisor import Supervisor
from gateway.settings import CloudSettings

_START_LIVE: Final = CATALOGUE.get("cloud", "media/live/start")
_STOP_LIVE: Final = CATALOGUE.get("cloud", "media/live/stop")
_START_PLAYBACK: Final = CATALOGUE.get("cloud", "media/playback/start")
_STOP_PLAYBACK: Final = CATALOGUE.get("cloud", "media/playback/stop")
_HIGH_DEFINITION: Final = 1


class CloudStreams:
    """Streams that the cloud sends of the shop's cameras."""

    def __init__(
        self,
        client: CloudClient,
        settings: CloudSettings,
        supervisor: Supervisor,
        *,
        find_ipc_id: Callable[[str], Awaitable[str | None]],
        further_hosts: Collection[str],
    ) -> None:
        """Take what finds the cloud's id of a camera by its serial number, and hosts that may send a stream, too."""
        self._client = client
        self._settings = settings
        self._supervisor = supervisor
        self._find_ipc_id = find_ipc_id
        self._further_hosts = further_hosts

    @contextlib.asynccontextmanager
    async def open(self, sn: str, period: tuple[int, int] | None) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open the live picture of a camera, or a period in Unix seconds, and yield its FLV for the time of the block.

        Raises the same as `CloudClient.call` and `open_stream`, and `NotFound` for a camera that the cloud does not
        know.
        """
        ipc_id = await self._find_ipc_id(sn)
        if ipc_id is None:
            raise NotFound(
                message("the camera {sn} has no stream of its own, and the cloud does not know it as the shop's", sn=sn)
            )
        url, stop = await (self._start_live(ipc_id) if period is None else self._start_playback(ipc_id, *period))
        try:
            async with self._client.open_stream(
                check_cloud_url(url, self._settings.url, self._further_hosts)
            ) as chunks:
                yield chunks
        finally:
            if stop is not None:
                self._supervisor.start_job("end of a stream of the cloud", self._stop(stop))

    async def _start_live(self, ipc_id: str) -> tuple[object, Call | None]:
        given = {"ipc_id": ipc_id, "resolution": _HIGH_DEFINITION}
        response = await self._client.call(_START_LIVE.encode(given, defaults=self._settings.shop))
        return _find_member(response.data, "url"), _STOP_LIVE.encode(given, defaults=self._settings.shop)

    async def _start_playback(self, ipc_id: str, start: int, end: int) -> tuple[object, Call | None]:
        given = {"ipc_id": ipc_id, "start_time": start, "end_time": end}
        response = await self._client.call(_START_PLAYBACK.encode(given, defaults=self._settings.shop))
        client_id = _find_member(response.data, "client_id")
        named = isinstance(client_id, str | int) and bool(client_id)
        return _find_member(response.data, "url"), _STOP_PLAYBACK.encode({"client_id": client_id}) if named else None

    async def _stop(self, call: Call) -> None:
        with contextlib.suppress(Problem):  # the cloud ends it by itself some day
            await self._client.call(call)


def _find_member(data: object, name: str) -> object:
    return data.get(name) if isinstance(data, dict) else None
