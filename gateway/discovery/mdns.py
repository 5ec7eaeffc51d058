"""Finding cameras by multicast DNS, for the case that they announce themselves that way."""

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from zeroconf import DNSQuestionType, IPVersion, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from gateway.discovery.device import DiscoveredDevice
from gateway.discovery.frames import FrameSockets
from gateway.discovery.identification import camera_sighting, identify
from gateway.discovery.interfaces import Interface, covering
from gateway.protocol.models import parse_model

_OWN_TYPE: Final = "_sunmi-ipc._tcp.local."
_HTTPS_TYPE: Final = "_https._tcp.local."
_TYPES: Final = (_OWN_TYPE, _HTTPS_TYPE, "_http._tcp.local.")
_SERIAL_NUMBER: Final = re.compile(r"(?:SS101|C101|FS101|C201)[0-9A-Z]{4,}")  # (NOTES: Serial numbers)


async def browse(
    interfaces: Sequence[Interface],
    frames: FrameSockets,
    *,
    camera_port: int,
    until: float,
    report: Callable[[DiscoveredDevice], None],
) -> None:
    """Report every camera announced on the interfaces until the loop's time `until`. Raises `OSError`.

    Nothing public says that cameras announce themselves by mDNS, or as what (NOTES: Discovery replies). So this asks
    for likely service types and takes a service that names a camera's model or serial number for a camera. Its
    discovery frame tells who it is; without one it is reported as unidentified.
    """
    loop = asyncio.get_running_loop()
    resolving: set[asyncio.Task[None]] = set()

    async def resolve(zeroconf: Zeroconf, service_type: str, name: str) -> None:
        service = AsyncServiceInfo(service_type, name)
        # Multicast questions: a unicast answer would reach only one of the programs here that share port 5353.
        if not await service.async_request(zeroconf, (until - loop.time()) * 1000, DNSQuestionType.QM):
            return
        if not _names_camera(service):
            return
        speaks_https = service_type in (_OWN_TYPE, _HTTPS_TYPE)
        port = service.port if speaks_https and service.port else camera_port
        for host in service.parsed_addresses(IPVersion.V4Only):
            interface = covering(interfaces, host)
            if interface is None:  # multicast does not leave the network: it lies, or the address is out of date
                continue
            heard = frames.heard.get(host) or await identify(frames, host, until=until)
            if heard is None:
                report(DiscoveredDevice(address=f"{host}:{port}", interface=interface.name, found_by="mdns"))
            elif heard.is_camera:
                report(camera_sighting(heard, port=port, found_by="mdns"))

    def changed(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if state_change is not ServiceStateChange.Removed:
            resolving.add(asyncio.create_task(resolve(zeroconf, service_type, name)))

    async with AsyncZeroconf([interface.address for interface in interfaces], ip_version=IPVersion.V4Only) as multicast:
        browser = AsyncServiceBrowser(
            multicast.zeroconf, list(_TYPES), handlers=[changed], question_type=DNSQuestionType.QM
        )
        try:
            await asyncio.sleep(until - loop.time())
            await asyncio.gather(*resolving)
        finally:
            for task in resolving:
                task.cancel()
            await browser.async_cancel()


def _names_camera(service: AsyncServiceInfo) -> bool:
    if service.type == _OWN_TYPE:
        return True
    texts = {key.lower(): value or "" for key, value in service.decoded_properties.items()}
    if parse_model(texts.get("model", "")):
        return True
    return any(_tells_camera(word) for word in _words([service.get_name(), *texts.values()]))


def _words(texts: Iterable[str]) -> Iterable[str]:
    return re.findall(r"[0-9A-Z]+", " ".join(texts).upper())


def _tells_camera(word: str) -> bool:
    # SS and FS are too short to mean a camera wherever they stand.
    return (len(word) > 2 and parse_model(word) is not None) or _SERIAL_NUMBER.fullmatch(word) is not None
