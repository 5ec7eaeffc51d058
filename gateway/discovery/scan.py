"""Rounds of discovery: all methods at once, merged, repeated."""

import asyncio
import logging
import re
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from gateway.discovery.broadcast import broadcast
from gateway.discovery.camera_tls import camera_tls_context
from gateway.discovery.device import DiscoveredDevice
from gateway.discovery.frames import FrameSockets, RawFrame, SharedFrameSockets
from gateway.discovery.identification import PATIENCE_S, camera_sighting, identify, overheard
from gateway.discovery.mdns import browse
from gateway.discovery.scope import ScanScope
from gateway.discovery.sweep import Sweep
from gateway.runtime.supervisor import Service, Supervisor
from gateway.settings import DiscoverySettings, Method

_log = logging.getLogger(__name__)

ROUND_S = 3.0
"""How long a round lasts unless told otherwise: as long as the vendor's app searches (NOTES: Discovery schedule)."""

_NUMBER = re.compile(r"\d+")
_MOST_SIGHTINGS = 4096  # anyone can send frames that name cameras; memory must not be theirs to fill


@dataclass(frozen=True, slots=True)
class MethodResult:
    """How many cameras a method saw, and what kept it from seeing all, if anything did."""

    found: int
    error: str | None


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What a round saw. One camera has a sighting for each address and each method that saw it.

    `methods` has an entry for every method of the round, and "address" where the settings give addresses.
    """

    sightings: list[DiscoveredDevice]
    unidentified: list[DiscoveredDevice]
    methods: dict[str, MethodResult]


class Discovery:
    """Finds cameras: in rounds, repeated every `interval_s`, and whenever asked.

    `on_sighting` is called with every sighting the moment it is made. `known_addresses` are the addresses
    (`host` or `host:port`) where cameras were last; a sweep tries them first. `on_round_end` is called after every
    round. `tls` is the cameras' TLS context, for cameras that insist on a client certificate.
    """

    def __init__(
        self,
        settings: DiscoverySettings,
        supervisor: Supervisor,
        *,
        camera_port: int,
        on_sighting: Callable[[DiscoveredDevice], object],
        known_addresses: Callable[[], Iterable[str]] = tuple,
        on_round_end: Callable[[], object] = lambda: None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._camera_port = camera_port
        self._on_sighting = on_sighting
        self._known_addresses = known_addresses
        self._on_round_end = on_round_end
        self._tls = tls or camera_tls_context(None, "")
        self._repeated: Service | None = None
        self._errors: dict[str, str] = {}
        """The error of each method in the last repeated scan."""
        self._running: tuple[frozenset[Method], float, asyncio.Task[ScanResult]] | None = None
        self._sockets = SharedFrameSockets(settings.broadcast_port)

    async def start(self) -> None:
        """Scan again and again, unless the settings say that scans are made on request only."""
        if self._settings.interval_s:
            self._repeated = self._supervisor.start_periodic(
                "discovery", self._scan_and_log, interval_s=self._settings.interval_s, run_at_start=True
            )

    async def close(self) -> None:
        """Stop repeating, and end a scan that is under way."""
        if self._repeated is not None:
            await self._repeated.stop()
        if self._running is not None:
            task = self._running[2]
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def round(self, *, timeout_s: float = ROUND_S, methods: Sequence[Method] | None = None) -> ScanResult:
        """Search with all configured methods, or the given ones, and return what was seen in `timeout_s` seconds.

        Whoever asks for the same while a round is under way gets that round's result; another search waits its turn.
        It raises nothing: what failed is told in the result, method by method.
        """
        wanted = frozenset(self._settings.methods if methods is None else methods)
        while self._running is not None:
            running_methods, running_s, task = self._running
            if wanted == running_methods and timeout_s <= running_s:
                return await asyncio.shield(task)
            await asyncio.wait({task})
        task = self._supervisor.start_job("scan", self._search(wanted, timeout_s))
        self._running = (wanted, timeout_s, task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)  # one caller who leaves does not end it for the others

    async def identify(self, host: str) -> DiscoveredDevice | None:
        """Ask one address (`host` or `host:port`) who it is; None where no camera answers within two seconds."""
        here = ScanScope.now(self._settings)
        try:
            target = await here.target(host, self._camera_port, "address")
        except ValueError:
            return None
        until = asyncio.get_running_loop().time() + PATIENCE_S
        async with self._sockets.use(here.interfaces, confined=here.confined) as frames:
            heard = await identify(frames, target.host, until=until)
        return camera_sighting(heard, port=target.port, found_by="address") if heard and heard.is_camera else None

    @property
    def port(self) -> int:
        """The UDP port of the frames."""
        return self._settings.broadcast_port

    async def frames(self, host: str, *, timeout_s: float, everyone: bool = False) -> list[RawFrame]:
        """Return what one address (`host` or `host:port`) sends when asked who it is, as it came, without doubles.

        It is asked by a frame of its own, or by one to `everyone`, and again until it answers; what it sends is taken
        until it was silent for half a second, for `timeout_s` seconds at most.
        """
        while self._running is not None:  # its answers to that round would count as answers to this
            await asyncio.wait({self._running[2]})
        here = ScanScope.now(self._settings)
        try:
            target = await here.target(host, self._camera_port, "address")
        except ValueError:
            return []
        async with self._sockets.use(here.interfaces, confined=here.confined) as frames:
            return await overheard(frames, target.host, timeout_s=timeout_s, everyone=everyone)

    def _ended(self, task: asyncio.Task[ScanResult]) -> None:
        if self._running is not None and self._running[2] is task:
            self._running = None
        self._on_round_end()

    async def _scan_and_log(self) -> None:
        """Scan, and log the beginning and the end of what is wrong with a method."""
        for name, result in (await self.round()).methods.items():
            # Without its numbers: how many addresses could not be tried differs from scan to scan.
            error = _NUMBER.sub("", result.error or "")
            if error and error != self._errors.get(name):
                _log.warning("discovery by %s: %s", name, result.error)
            elif not error and self._errors.get(name):
                _log.info("discovery by %s works again", name)
            self._errors[name] = error

    async def _search(self, methods: frozenset[Method], timeout_s: float) -> ScanResult:
        until = asyncio.get_running_loop().time() + timeout_s
        here = ScanScope.now(self._settings)
        async with self._sockets.use(here.interfaces, confined=here.confined) as frames:
            search = _Search(here, frames, self._on_sighting, until, self._camera_port, self._tls)
            ways: dict[str, Callable[[], Awaitable[Sequence[str]]]] = {
                "broadcast": search.by_broadcast,
                "mdns": search.by_mdns,
                "sweep": lambda: search.by_sweep(self._known_addresses(), self._settings.addresses),
            }
            ways = {name: way for name, way in ways.items() if name in methods}
            if self._settings.addresses:
                ways["address"] = lambda: search.by_address(self._settings.addresses)
            errors = await asyncio.gather(*(_reason(way) for way in ways.values()))
        return search.result(dict(zip(ways, errors, strict=True)))


class _Search:
    """One round under way."""

    def __init__(
        self,
        here: ScanScope,
        frames: FrameSockets,
        on_sighting: Callable[[DiscoveredDevice], object],
        until: float,
        camera_port: int,
        tls: ssl.SSLContext,
    ) -> None:
        self._here = here
        self._frames = frames
        self._on_sighting = on_sighting
        self._until = until
        self._port = camera_port
        self._tls = tls
        self._seen: dict[DiscoveredDevice, None] = {}

    async def by_broadcast(self) -> Sequence[str]:
        failures = await broadcast(
            self._frames,
            until=self._until,
            report=lambda heard: self._report(camera_sighting(heard, port=self._port, found_by="broadcast")),
        )
        return [*self._here.problems, *self._frames.notices, *failures]

    async def by_mdns(self) -> Sequence[str]:
        if self._here.interfaces:
            await browse(
                self._here.interfaces,
                self._frames,
                camera_port=self._port,
                until=self._until,
                report=self._report,
            )
        return self._here.problems

    async def by_sweep(self, known: Iterable[str], fixed: Iterable[str]) -> Sequence[str]:
        network, problems = self._here.network_targets(self._port)
        remembered, _ = await self._here.targets(known, self._port, "sweep", until=self._until)
        tried_anyway, _ = await self._here.targets(fixed, self._port, "sweep", until=self._until)
        targets = dict.fromkeys([*remembered, *network])
        for target in tried_anyway:
            targets.pop(target, None)
        return [*self._here.problems, *problems, *await self._sweep().run(targets)]

    async def by_address(self, fixed: Iterable[str]) -> Sequence[str]:
        targets, problems = await self._here.targets(fixed, self._port, "address", until=self._until)
        return [*problems, *await self._sweep().run(targets)]

    def result(self, errors: dict[str, str | None]) -> ScanResult:
        identified = [sighting for sighting in self._seen if sighting.sn]
        named = {sighting.address for sighting in identified}
        return ScanResult(
            sightings=identified,
            unidentified=[sighting for sighting in self._seen if not sighting.sn and sighting.address not in named],
            methods={
                name: MethodResult(len({s.sn or s.address for s in self._seen if s.found_by == name}), error)
                for name, error in errors.items()
            },
        )

    def _sweep(self) -> Sweep:
        return Sweep(self._frames, self._tls, until=self._until, report=self._report)

    def _report(self, sighting: DiscoveredDevice) -> None:
        if sighting not in self._seen and len(self._seen) < _MOST_SIGHTINGS:
            self._seen[sighting] = None
            self._on_sighting(sighting)


async def _reason(way: Callable[[], Awaitable[Sequence[str]]]) -> str | None:
    """Run one method; return what kept it from seeing everything. No method stops another."""
    try:
        problems: Sequence[str] = await way()
    except OSError as exc:
        problems = [exc.strerror or str(exc)]
    except Exception as exc:
        _log.exception("a discovery method failed unexpectedly")
        problems = [f"failed unexpectedly: {exc!r}"]
    return "; ".join(problems) or None
