"""One scan: all methods at the same time, with their results merged."""

import asyncio
import ssl
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from firmware_tools.language import describe_error, join, message
from gateway.discovery.broadcast import scan_by_broadcast
from gateway.discovery.device import DiscoveredDevice
from gateway.discovery.frame_sockets import FrameSockets
from gateway.discovery.identification import build_device
from gateway.discovery.mdns import scan_by_mdns
from gateway.discovery.scope import ScanScope
from gateway.discovery.sweep import Sweep

_MAX_DEVICES: Final = 4096
"""The most devices in one scan that only claim to be there: anybody can send frames that name cameras."""
_MAX_CAMERAS_PER_HOST: Final = 4
"""The most serial numbers that one source address may announce in a scan: a camera has one."""


@dataclass(frozen=True, slots=True)
class MethodResult:
    """What one method found."""

    found: int
    """Number of cameras."""
    error: str | None
    """What kept it from finding every camera, if anything did."""
    failure: Exception | None
    """The exception that ended it, if one did. Any other than `OSError` is a defect of the gateway."""


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What a scan found."""

    devices: list[DiscoveredDevice]
    """The identified cameras, once for each address and each method that found it there."""
    unidentified: list[DiscoveredDevice]
    """Hosts that look like cameras but did not announce themselves."""
    methods: dict[str, MethodResult]
    """The result of each method, and of "address" if the settings give addresses."""
    failures: list[str]
    """Missing interfaces and methods that could not work, such as one whose port is taken."""


class _Outcome(NamedTuple):
    """How a method ended."""

    problems: Sequence[str]
    """What kept it from finding every camera."""
    failure: Exception | None
    """The exception that ended it."""


class Scan:
    """A scan that runs once."""

    def __init__(
        self,
        scope: ScanScope,
        frames: FrameSockets,
        *,
        camera_port: int,
        tls: ssl.SSLContext,
        until: float,
        on_device: Callable[[DiscoveredDevice], object],
        is_confirmed: Callable[[DiscoveredDevice], bool],
    ) -> None:
        """Call `on_device` with each device at once when it is found, until the loop's time `until`.

        `is_confirmed` is as for `Sweep`.
        """
        self._scope = scope
        self._frames = frames
        self._camera_port = camera_port
        self._tls = tls
        self._until = until
        self._on_device = on_device
        self._is_confirmed = is_confirmed
        self._devices: dict[DiscoveredDevice, None] = {}
        self._serial_numbers: defaultdict[str, set[str]] = defaultdict(set)
        """What each host has announced."""

    async def run(
        self,
        methods: Collection[str],
        *,
        known_addresses: Callable[[], Iterable[str]],
        fixed_addresses: Sequence[str],
    ) -> ScanResult:
        """Use the methods, and try the fixed addresses whatever the methods are. Method failures are in the result."""
        runs: dict[str, Callable[[], Awaitable[Sequence[str]]]] = {
            "broadcast": self._broadcast,
            "mdns": self._browse_mdns,
            "sweep": lambda: self._sweep_networks(known_addresses(), fixed_addresses),
            "address": lambda: self._sweep_addresses(fixed_addresses),
        }
        chosen = {name: run for name, run in runs.items() if name in methods or (name == "address" and fixed_addresses)}
        outcomes = await asyncio.gather(*(_run_method(run) for run in chosen.values()))
        return self._build_result(dict(zip(chosen, outcomes, strict=True)))

    async def _broadcast(self) -> Sequence[str]:
        problems = await scan_by_broadcast(
            self._frames,
            until=self._until,
            report=lambda received: self._report(build_device(received, port=self._camera_port, found_by="broadcast")),
        )
        return [*self._scope.problems, *self._frames.problems, *problems]

    async def _browse_mdns(self) -> Sequence[str]:
        if self._scope.interfaces:
            await scan_by_mdns(
                self._scope.interfaces,
                self._frames,
                camera_port=self._camera_port,
                until=self._until,
                report=self._report,
            )
        return self._scope.problems

    async def _sweep_networks(self, known_addresses: Iterable[str], fixed_addresses: Iterable[str]) -> Sequence[str]:
        """Try the known addresses first, then the networks, but no fixed addresses: they are tried anyway."""
        network, problems = self._scope.list_network_targets(self._camera_port)
        known, _ = await self._scope.resolve_targets(known_addresses, self._camera_port, "sweep", until=self._until)
        fixed, _ = await self._scope.resolve_targets(fixed_addresses, self._camera_port, "sweep", until=self._until)
        targets = dict.fromkeys([*known, *network])
        for target in fixed:
            targets.pop(target, None)
        return [*self._scope.problems, *problems, *await self._sweep().run(targets)]

    async def _sweep_addresses(self, addresses: Iterable[str]) -> Sequence[str]:
        targets, problems = await self._scope.resolve_targets(
            addresses, self._camera_port, "address", until=self._until
        )
        return [*problems, *await self._sweep().run(targets)]

    def _sweep(self) -> Sweep:
        return Sweep(self._frames, self._tls, until=self._until, report=self._report, is_confirmed=self._is_confirmed)

    def _report(self, device: DiscoveredDevice) -> None:
        if device not in self._devices and (self._has_answered(device) or self._has_room(device)):
            self._devices[device] = None
            self._on_device(device)

    def _has_answered(self, device: DiscoveredDevice) -> bool:
        return bool(device.certificate_sha256) or self._is_confirmed(device)

    def _has_room(self, device: DiscoveredDevice) -> bool:
        """Count a device that only claims to be there, and tell whether there is room for it."""
        if len(self._devices) >= _MAX_DEVICES:
            return False
        announced = self._serial_numbers[device.address.rpartition(":")[0]]
        if len(announced) < _MAX_CAMERAS_PER_HOST:
            announced.add(device.sn)
        return device.sn in announced

    def _build_result(self, outcomes: dict[str, _Outcome]) -> ScanResult:
        identified = [device for device in self._devices if device.sn]
        addresses = {device.address for device in identified}
        return ScanResult(
            devices=identified,
            unidentified=[device for device in self._devices if not device.sn and device.address not in addresses],
            methods={
                name: MethodResult(self._count(name), join("; ", outcome.problems) or None, outcome.failure)
                for name, outcome in outcomes.items()
            },
            failures=[
                *self._scope.problems,
                *(
                    message("{method}: {reason}", method=name, reason=join("; ", outcome.problems))
                    for name, outcome in outcomes.items()
                    if outcome.failure
                ),
            ],
        )

    def _count(self, method: str) -> int:
        return len({device.sn or device.address for device in self._devices if device.found_by == method})


async def _run_method(run: Callable[[], Awaitable[Sequence[str]]]) -> _Outcome:
    """Run one method. Whatever it raises stops no other method."""
    try:
        return _Outcome(await run(), None)
    except OSError as exc:
        return _Outcome([describe_error(exc)], exc)
    except Exception as exc:
        return _Outcome([message("failed unexpectedly: {error}", error=repr(exc))], exc)
