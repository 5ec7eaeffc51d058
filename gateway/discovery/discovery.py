"""The discovery service: scans repeatedly and on request."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from firmware_tools.language import join
from gateway.discovery.camera_tls import camera_tls_context
from gateway.discovery.device import DiscoveredDevice
from gateway.discovery.frame_sockets import RawFrame, SharedFrameSockets
from gateway.discovery.identification import IDENTIFY_TIMEOUT_S, build_device, collect_raw_frames, identify
from gateway.discovery.scan import MethodResult, Scan, ScanResult
from gateway.discovery.scope import ScanScope
from gateway.errors import NetworkError
from gateway.runtime.failure_log import FailureLog
from gateway.runtime.supervisor import Service, Supervisor
from gateway.settings import DiscoverySettings, Method

DEFAULT_SCAN_S: Final = 3.0
"""How long a scan lasts by default: as long as the vendor's app searches (NOTES: Discovery schedule)."""

_MAX_CONFIRMED: Final = 4096
"""How many confirmed cameras are remembered."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _RunningScan:
    """A scan that callers may share."""

    methods: frozenset[Method]
    timeout_s: float
    task: asyncio.Task[ScanResult]


class Discovery:
    """Finds cameras: in scans that repeat at the interval from the settings, and in scans on request."""

    def __init__(
        self,
        settings: DiscoverySettings,
        supervisor: Supervisor,
        *,
        camera_port: int,
        on_device: Callable[[DiscoveredDevice], object],
        known_addresses: Callable[[], Iterable[str]] = tuple,
        on_scan_end: Callable[[], object] = lambda: None,
        examine: Sequence[Callable[[Sequence[DiscoveredDevice]], Awaitable[None]]] = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Set what a scan needs.

        `on_device` is called with each device at once when a scan finds it, `on_scan_end` after every scan. Each of
        `examine` is awaited with all identified devices before a scan ends.
        `known_addresses` returns the addresses (`host` or `host:port`) where cameras were last; a sweep tries them
        first. `tls` is the TLS context for cameras that demand a client certificate.
        """
        self._settings = settings
        self._supervisor = supervisor
        self._camera_port = camera_port
        self._on_device = on_device
        self._known_addresses = known_addresses
        self._on_scan_end = on_scan_end
        self._examine = examine
        self._tls = tls or camera_tls_context(None, "")
        self._service: Service | None = None
        self._failure_log = FailureLog(_log, "a discovery method failed unexpectedly")
        self._problem_logs: dict[str, FailureLog] = {}
        self._running: _RunningScan | None = None
        self._confirmed: set[tuple[str, str]] = set()
        """The address and serial number of devices that completed a TLS handshake."""
        self._sockets = SharedFrameSockets(settings.broadcast_port)

    async def start(self) -> None:
        """Start to repeat scans, unless the settings say that scans are made on request only."""
        if self._settings.interval_s:
            self._service = self._supervisor.start_periodic(
                "discovery", self._scan_periodically, interval_s=self._settings.interval_s, run_at_start=True
            )

    async def close(self) -> None:
        """Stop repeating scans, and cancel the one that runs."""
        if self._service is not None:
            await self._service.stop()
        if self._running is not None:
            task = self._running.task
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def broadcast_port(self) -> int:
        """The UDP port of the vendor's frames."""
        return self._settings.broadcast_port

    async def scan(self, *, timeout_s: float = DEFAULT_SCAN_S, methods: Sequence[Method] | None = None) -> ScanResult:
        """Scan for `timeout_s` seconds with all configured methods, or the given ones. Failures are in the result.

        Scans never overlap. A caller gets the result of the running scan if that has the same methods and lasts at
        least as long; otherwise it waits for the end of that scan.
        """
        chosen = frozenset(self._settings.methods if methods is None else methods)
        while self._running is not None:
            running = self._running
            if chosen == running.methods and timeout_s <= running.timeout_s:
                return await asyncio.shield(running.task)
            await asyncio.wait({running.task})
        task = self._supervisor.start_job("scan", self._scan(chosen, timeout_s))
        self._running = _RunningScan(chosen, timeout_s, task)
        task.add_done_callback(self._finish)
        return await asyncio.shield(task)  # a caller who is cancelled does not cancel it for the others

    async def identify(self, address: str) -> DiscoveredDevice | None:
        """Ask what is at an address (`host` or `host:port`) who it is. Return None if no camera answers in time."""
        scope = ScanScope.detect(self._settings)
        try:
            target = await scope.resolve_target(address, self._camera_port, "address")
        except ValueError:
            return None
        until = asyncio.get_running_loop().time() + IDENTIFY_TIMEOUT_S
        async with self._sockets.acquire(scope.interfaces, loopback_only=scope.loopback_only) as frames:
            received = await identify(frames, target.host, until=until, broadcast=True)
        if received is None or not received.is_camera:
            return None
        return build_device(received, port=target.port, found_by="address")

    async def collect_raw_frames(self, address: str, *, timeout_s: float, broadcast: bool = False) -> list[RawFrame]:
        """Return every different datagram that a host (`host` or `host:port`) sends in response to a request.

        The request is broadcast or sent to the host alone, and repeated until the host answers. This ends when the
        host was silent for half a second, and after `timeout_s` seconds at the latest.
        """
        while self._running is not None:  # answers to the scan's requests would be taken for answers to this one
            await asyncio.wait({self._running.task})
        scope = ScanScope.detect(self._settings)
        try:
            target = await scope.resolve_target(address, self._camera_port, "address")
        except ValueError:
            return []
        async with self._sockets.acquire(scope.interfaces, loopback_only=scope.loopback_only) as frames:
            return await collect_raw_frames(frames, target.host, timeout_s=timeout_s, broadcast=broadcast)

    async def _scan(self, methods: frozenset[Method], timeout_s: float) -> ScanResult:
        until = asyncio.get_running_loop().time() + timeout_s
        scope = ScanScope.detect(self._settings)
        async with self._sockets.acquire(scope.interfaces, loopback_only=scope.loopback_only) as frames:
            scan = Scan(
                scope,
                frames,
                camera_port=self._camera_port,
                tls=self._tls,
                until=until,
                on_device=self._record_device,
                is_confirmed=lambda device: (device.address, device.sn) in self._confirmed,
            )
            result = await scan.run(
                methods, known_addresses=self._known_addresses, fixed_addresses=self._settings.addresses
            )
        self._log_defects(result.methods)
        for examine in self._examine:
            await examine(result.devices)
        return result

    def _record_device(self, device: DiscoveredDevice) -> None:
        if device.certificate_sha256 and device.sn:
            if len(self._confirmed) >= _MAX_CONFIRMED:
                self._confirmed.clear()
            self._confirmed.add((device.address, device.sn))
        self._on_device(device)

    def _finish(self, task: asyncio.Task[ScanResult]) -> None:
        if self._running is not None and self._running.task is task:
            self._running = None
        self._on_scan_end()

    async def _scan_periodically(self) -> None:
        """Scan once. Raises `NetworkError` if an interface is missing or a method could not work."""
        result = await self.scan()
        if result.failures:
            raise NetworkError(join("; ", result.failures))
        self._log_problems(result.methods)

    def _log_defects(self, methods: Mapping[str, MethodResult]) -> None:
        """Log the beginning and the end of exceptions that are defects of the gateway."""
        failures = [method.failure for method in methods.values()]
        defects = [failure for failure in failures if failure is not None and not isinstance(failure, OSError)]
        for defect in defects:
            self._failure_log.failed(repr(defect), defect, traceback=True)
        if not defects:
            self._failure_log.recovered()

    def _log_problems(self, methods: Mapping[str, MethodResult]) -> None:
        """Log the beginning and the end of what keeps a method from finding every camera."""
        for name, method in methods.items():
            log = self._problem_logs.setdefault(
                name, FailureLog(_log, f"discovery by {name} is incomplete", level=logging.WARNING)
            )
            if method.error:
                log.failed(method.error)
            else:
                log.recovered()
