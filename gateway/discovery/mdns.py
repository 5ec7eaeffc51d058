"""Finds cameras by multicast DNS, in case they announce themselves that way."""

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from zeroconf import DNSQuestionType, IPVersion, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from gateway.discovery.device import DiscoveredDevice
from gateway.discovery.frame_sockets import FrameSockets
from gateway.discovery.identification import build_device, identify
from gateway.discovery.interfaces import Interface, find_interface
from gateway.protocol.models import parse_model

_SUNMI_TYPE: Final = "_sunmi-ipc._tcp.local."
_HTTPS_TYPE: Final = "_https._tcp.local."
_TYPES: Final = (_SUNMI_TYPE, _HTTPS_TYPE, "_http._tcp.local.")
_SERIAL_NUMBER: Final = re.compile(r"(?:SS101|C101|FS101|C201)[0-9A-Z]{4,}")  # (NOTES: Serial numbers)
_MAX_SERVICES: Final = 1024
"""The most services to resolve in one scan: anybody can announce any number."""


async def scan_by_mdns(
    interfaces: Sequence[Interface],
    frames: FrameSockets,
    *,
    camera_port: int,
    until: float,
    report: Callable[[DiscoveredDevice], None],
) -> None:
    """Report every camera announced on the interfaces until the loop's time `until`. Raises `OSError`.

    It is not public whether cameras announce themselves by mDNS, and as what (NOTES: Discovery replies). So this
    browses likely service types, and takes a service for a camera if it names a camera's model or serial number. The
    camera's own announcement identifies it; without one it is reported as unidentified.
    """
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    async def resolve(zeroconf: Zeroconf, service_type: str, name: str) -> None:
        service = AsyncServiceInfo(service_type, name)
        # Multicast questions: a unicast response would reach only one of the programs here that share port 5353.
        if not await service.async_request(zeroconf, (until - loop.time()) * 1000, DNSQuestionType.QM):
            return
        if not _is_camera(service):
            return
        speaks_https = service_type in (_SUNMI_TYPE, _HTTPS_TYPE)
        port = service.port if speaks_https and service.port else camera_port
        for host in service.parsed_addresses(IPVersion.V4Only):
            interface = find_interface(interfaces, host)
            if interface is None:  # multicast does not leave the network: the address is false or out of date
                continue
            received = frames.announcements.get(host) or await identify(frames, host, until=until)
            if received is None:
                report(DiscoveredDevice(address=f"{host}:{port}", interface=interface.name, found_by="mdns"))
            elif received.is_camera:
                report(build_device(received, port=port, found_by="mdns"))

    def on_change(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if state_change is not ServiceStateChange.Removed and len(tasks) < _MAX_SERVICES:
            tasks.add(asyncio.create_task(resolve(zeroconf, service_type, name)))

    async with AsyncZeroconf([interface.address for interface in interfaces], ip_version=IPVersion.V4Only) as multicast:
        browser = AsyncServiceBrowser(
            multicast.zeroconf, list(_TYPES), handlers=[on_change], question_type=DNSQuestionType.QM
        )
        try:
            await asyncio.sleep(until - loop.time())
            await asyncio.gather(*tasks)
        finally:
            await browser.async_cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _is_camera(service: AsyncServiceInfo) -> bool:
    """Return whether a service belongs to a camera, by its type, or by its name and properties."""
    if service.type == _SUNMI_TYPE:
        return True
    properties = {key.lower(): value or "" for key, value in service.decoded_properties.items()}
    if parse_model(properties.get("model", "")):
        return True
    return any(_names_camera(word) for word in _split_words([service.get_name(), *properties.values()]))


def _split_words(texts: Iterable[str]) -> Iterable[str]:
    return re.findall(r"[0-9A-Z]+", " ".join(texts).upper())


def _names_camera(word: str) -> bool:
    """Return whether a word is a camera's model or serial number. SS and FS are too short to mean a camera."""
    return (len(word) > 2 and parse_model(word) is not None) or _SERIAL_NUMBER.fullmatch(word) is not None
