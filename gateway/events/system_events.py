"""System events: stores what the parts of the gateway report, and watches the clock and the disk."""

import asyncio
import contextlib
import logging
import shutil
from collections import deque
from pathlib import Path
from typing import Any, Final

from firmware_tools.language import message
from gateway.cameras.record import CameraRecord
from gateway.cameras.registry import CameraChange, Registry
from gateway.errors import StateError
from gateway.events import types
from gateway.events.event import NewEvent
from gateway.events.log import EventLog
from gateway.protocol.event_type import EventType
from gateway.runtime.clock import PeerClock
from gateway.runtime.supervisor import Service, Supervisor
from gateway.runtime.token_bucket import TokenBucket

MAX_CLOCK_OFFSET_S: Final = 60.0
"""From how large a difference to the cloud's time on this machine's clock counts as wrong, in seconds."""
MIN_FREE_BYTES: Final = 256 * 1024 * 1024
"""Below how many free bytes the disk counts as nearly full; on a small one, below a twentieth of it."""
CHECK_INTERVAL_S: Final = 60.0
"""How often clock and disk are checked."""
MAX_RETRY_DELAY_S: Final = 10.0
"""How long to wait at most before events that could not be stored are stored again."""
MAX_PENDING: Final = 1000
"""How many events may wait to be stored; the oldest of more are lost."""
_UNMANAGED_PER_S: Final = 1 / 60
_UNMANAGED_BURST: Final = 1000
_CLOSE_TIMEOUT_S: Final = 2.0

_log: Final = logging.getLogger(__name__)


class SystemEvents:
    """Stores events of the gateway itself, in the order in which they happened.

    Anybody on the network can invent cameras. Events of cameras that are not managed are stored at a limited rate.
    """

    def __init__(
        self, event_log: EventLog, registry: Registry, clock: PeerClock, folder: Path, supervisor: Supervisor
    ) -> None:
        """Store the events of the registry's cameras from now on; `folder` is on the disk that is watched."""
        self._event_log = event_log
        self._clock = clock
        self._folder = folder
        self._supervisor = supervisor
        self._pending: deque[NewEvent] = deque(maxlen=MAX_PENDING)
        self._added = asyncio.Event()
        self._unmanaged = TokenBucket(_UNMANAGED_PER_S, _UNMANAGED_BURST)
        self._clock_is_wrong = self._disk_is_low = False
        self._services = [supervisor.start_service("system events", self._store_events, max_delay_s=MAX_RETRY_DELAY_S)]
        registry.subscribe(self._add_camera_event)

    def start(self) -> None:
        """Watch the clock and the disk from now on."""
        self._services.append(
            self._supervisor.start_periodic(
                "clock and disk check", self.check_clock_and_disk, interval_s=CHECK_INTERVAL_S, run_at_start=True
            )
        )

    async def close(self) -> None:
        """Store what is pending, if it can be stored, and stop."""
        for service in self._services:
            await service.stop()
        with contextlib.suppress(StateError, TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._store_pending()

    def add(self, event: EventType, camera: str | None = None) -> None:
        """Store an event soon, after all that were added before; `camera` is a serial number."""
        self._pending.append(NewEvent.by_gateway(event, camera))
        self._added.set()

    def _add_camera_event(self, change: CameraChange, camera: CameraRecord) -> None:
        if not camera.managed:
            if self._unmanaged.delay_s() > 0:
                return
            self._unmanaged.take()
        self.add(_camera_event(change, camera), camera.sn)

    async def _store_events(self, service: Service) -> None:
        while True:
            if not self._pending:
                self._added.clear()
                service.pause()
                await self._added.wait()
                service.expect_turn()
            await self._store_pending()
            service.heartbeat()

    async def _store_pending(self) -> None:
        """Store the pending events. Raises `StateError`; an event that cannot be stored at all is dropped."""
        while self._pending:
            event = self._pending[0]
            try:
                await self._event_log.append(event)
            except StateError:
                raise
            except Exception:
                _log.exception("an event of the type %s cannot be stored, so it is dropped", event.type)
            if self._pending and self._pending[0] is event:
                self._pending.popleft()

    async def check_clock_and_disk(self) -> None:
        """Check the clock and the disk now. Raises `StateError` if the disk cannot be checked."""
        self._check_clock()
        try:
            self._check_disk(shutil.disk_usage(self._folder))
        except OSError as exc:
            raise StateError(message("how full the disk is cannot be told: {reason}", reason=exc)) from exc

    def _check_clock(self) -> None:
        offset_s = self._clock.offset_s
        if offset_s is None:
            return
        is_wrong = abs(offset_s) > MAX_CLOCK_OFFSET_S
        if is_wrong != self._clock_is_wrong:
            self._clock_is_wrong = is_wrong
            event = types.ClockWrong if is_wrong else types.ClockRight
            self.add(event(cloud_ahead_s=round(offset_s)))

    def _check_disk(self, usage: Any) -> None:
        threshold = min(MIN_FREE_BYTES, usage.total // 20)
        # Some way apart, so that a disk at the threshold is not low and right again all the time.
        is_low = usage.free < (threshold * 5 // 4 if self._disk_is_low else threshold)
        if is_low != self._disk_is_low:
            self._disk_is_low = is_low
            event = types.DiskLow if is_low else types.DiskOk
            self.add(event(free_bytes=usage.free, total_bytes=usage.total))


def _camera_event(change: CameraChange, camera: CameraRecord) -> EventType:
    common: dict[str, Any] = {
        "managed": camera.managed,
        "address": camera.address or None,
        "name": camera.name,
    }
    match change:
        case "found":
            return types.CameraFound(**common, model=camera.model or None)
        case "moved":
            return types.CameraMoved(**common)
        case "online":
            return types.CameraOnline(**common)
        case "offline":
            return types.CameraOffline(**common)
        case "activation":
            activated = camera.activation == "activated"
            event = types.CameraActivated if activated else types.CameraNotActivated
            return event(**common, activation=camera.activation)
        case "untrusted":
            return types.CameraCertificateChanged(
                **common, remembered=camera.certificate_sha256, shown=camera.untrusted_sha256
            )
        case "duplicated":
            return types.CameraDuplicated(**common, addresses=camera.duplicates or ("", ""))
        case "pinned":
            return types.CameraTrusted(**common, certificate_sha256=camera.certificate_sha256)
