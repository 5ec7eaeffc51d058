"""Asking one address who it is, by a discovery frame sent to it alone."""

import asyncio
import contextlib
from typing import Final

from gateway.discovery.device import DiscoveredDevice, FoundBy
from gateway.discovery.frames import FrameSockets, Heard, RawFrame
from gateway.protocol.discovery_frames import MalformedFrame, is_request
from gateway.protocol.mac_address import normalise_mac
from gateway.protocol.models import parse_model

_ASK_AT_S: Final = (0.0, 0.2, 0.5, 1.0)
_SILENCE_S: Final = 0.5
"""How long a host must be silent, having answered, to have said everything."""
_MOST_ANSWERS: Final = 16
PATIENCE_S: Final = 2.0
"""How long a host is waited for, counted from the first frame: the last one has a second to be answered."""


async def identify(frames: FrameSockets, host: str, *, until: float) -> Heard | None:
    """Return what the host says of itself, asking anew, or None when it says nothing until the loop's time `until`."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    until = min(until, begin + PATIENCE_S)
    answer: asyncio.Future[Heard] = loop.create_future()

    def listen(heard: Heard) -> None:
        if heard.host == host and not answer.done():
            answer.set_result(heard)

    with frames.listening(listen):
        for at, following in zip(_ASK_AT_S, (*_ASK_AT_S[1:], PATIENCE_S), strict=True):
            if begin + at >= until:
                break
            frames.ask(host)
            await asyncio.wait({answer}, timeout=min(begin + following, until) - loop.time())
            if answer.done():
                return answer.result()
    return None


async def overheard(frames: FrameSockets, host: str, *, timeout_s: float, everyone: bool) -> list[RawFrame]:
    """Return every different datagram with which the host answers, asked alone or together with everyone."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    end = begin + timeout_s
    answers: dict[RawFrame, None] = {}
    arrived = asyncio.Event()

    def listen(raw: RawFrame) -> None:
        if raw.host == host and len(answers) < _MOST_ANSWERS and not _asks(raw.data):
            answers[raw] = None
            arrived.set()

    with frames.overhearing(listen):
        for at, following in zip(_ASK_AT_S, (*_ASK_AT_S[1:], timeout_s), strict=True):
            if begin + at >= end or answers:
                break
            if everyone:
                frames.ask_everyone()
            else:
                frames.ask(host)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(min(begin + following, end)):
                    await arrived.wait()
        while arrived.is_set() and loop.time() < end:
            arrived.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(min(loop.time() + _SILENCE_S, end)):
                    await arrived.wait()
    return list(answers)


def _asks(data: bytes) -> bool:
    try:
        return is_request(data)
    except MalformedFrame:
        return False


def camera_sighting(heard: Heard, *, port: int, found_by: FoundBy) -> DiscoveredDevice:
    """Return the sighting of a camera that announced itself; its HTTPS service is at `port`."""
    told = heard.announcement
    return DiscoveredDevice(
        address=f"{heard.host}:{port}",
        interface=heard.interface,
        found_by=found_by,
        sn=told.sn,
        mac=normalise_mac(told.mac),
        model=parse_model(told.model) or "",
        name=told.name,
        software_version=told.firmware,
        hotspot=told.network.upper() == "AP",
    )
