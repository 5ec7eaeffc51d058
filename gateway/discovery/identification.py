"""Asks one host who it is, with a discovery request that is sent to it alone."""

import asyncio
import contextlib
from typing import Final

from gateway.discovery.device import DiscoveredDevice, FoundBy
from gateway.discovery.frame_sockets import FrameSockets, RawFrame, ReceivedAnnouncement
from gateway.protocol.discovery_frames import MalformedFrame, is_request
from gateway.protocol.mac_address import normalise_mac
from gateway.protocol.models import parse_model

IDENTIFY_TIMEOUT_S: Final = 2.0
"""How long to wait for a host, from the first request on. The last request has a second to be answered."""
_REQUEST_DELAYS_S: Final = (0.0, 0.2, 0.5, 1.0)
"""When to send a request, in seconds from the start."""
_BROADCAST_DELAY_S: Final = 0.2
"""From when on a silent host is also asked by broadcast, in seconds from the start."""
_QUIET_PERIOD_S: Final = 0.5
"""After this long without a frame, a host that has answered has sent everything."""
_MAX_RAW_FRAMES: Final = 16
"""The most frames to collect of one host."""


async def identify(
    frames: FrameSockets, host: str, *, until: float, broadcast: bool = False
) -> ReceivedAnnouncement | None:
    """Request and return the host's announcement, or None if none has arrived by the loop's time `until`.

    With `broadcast`, a host that is silent at first is also asked by broadcast, in case it answers to nothing else
    (NOTES: Discovery replies).
    """
    loop = asyncio.get_running_loop()
    start = loop.time()
    until = min(until, start + IDENTIFY_TIMEOUT_S)
    announcement: asyncio.Future[ReceivedAnnouncement] = loop.create_future()

    def receive(received: ReceivedAnnouncement) -> None:
        if received.host == host and not announcement.done():
            announcement.set_result(received)

    with frames.listen(receive):
        for delay_s, next_delay_s in zip(_REQUEST_DELAYS_S, (*_REQUEST_DELAYS_S[1:], IDENTIFY_TIMEOUT_S), strict=True):
            if start + delay_s >= until:
                break
            frames.send_request(host)
            if broadcast and delay_s >= _BROADCAST_DELAY_S:
                frames.broadcast_request()
            await asyncio.wait({announcement}, timeout=min(start + next_delay_s, until) - loop.time())
            if announcement.done():
                return announcement.result()
    return None


async def collect_raw_frames(frames: FrameSockets, host: str, *, timeout_s: float, broadcast: bool) -> list[RawFrame]:
    """Return every different datagram with which the host answers a request that is broadcast or sent to it alone."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    end = start + timeout_s
    collected: dict[RawFrame, None] = {}
    arrived = asyncio.Event()

    def receive(raw: RawFrame) -> None:
        if raw.host == host and len(collected) < _MAX_RAW_FRAMES and not _is_request(raw.data):
            collected[raw] = None
            arrived.set()

    with frames.listen_raw(receive):
        for delay_s, next_delay_s in zip(_REQUEST_DELAYS_S, (*_REQUEST_DELAYS_S[1:], timeout_s), strict=True):
            if start + delay_s >= end or collected:
                break
            if broadcast:
                frames.broadcast_request()
            else:
                frames.send_request(host)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(min(start + next_delay_s, end)):
                    await arrived.wait()
        while arrived.is_set() and loop.time() < end:
            arrived.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(min(loop.time() + _QUIET_PERIOD_S, end)):
                    await arrived.wait()
    return list(collected)


def build_device(received: ReceivedAnnouncement, *, port: int, found_by: FoundBy) -> DiscoveredDevice:
    """Return the camera that announced itself. Its HTTPS service is at `port`."""
    announcement = received.announcement
    return DiscoveredDevice(
        address=f"{received.host}:{port}",
        interface=received.interface,
        found_by=found_by,
        sn=announcement.sn,
        mac=normalise_mac(announcement.mac),
        model=parse_model(announcement.model) or "",
        name=announcement.name,
        software_version=announcement.firmware,
        hotspot=announcement.network.upper() == "AP",
    )


def _is_request(data: bytes) -> bool:
    try:
        return is_request(data)
    except MalformedFrame:
        return False
