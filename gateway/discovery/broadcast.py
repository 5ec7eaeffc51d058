"""Finds cameras by the vendor's broadcast: sends requests, and collects announcements to the end of the scan."""

import asyncio
from collections.abc import Callable

from gateway.discovery.frame_sockets import FrameSockets, ReceivedAnnouncement
from gateway.protocol.discovery_frames import REQUEST_DELAYS_S


async def scan_by_broadcast(
    frames: FrameSockets, *, until: float, report: Callable[[ReceivedAnnouncement], None]
) -> list[str]:
    """Report every camera that announces itself until the loop's time `until`; return what went wrong.

    Requests are sent when the vendor's app sends them (NOTES: Discovery schedule).
    """
    loop = asyncio.get_running_loop()
    start = loop.time()
    problems: list[str] = []

    def receive(received: ReceivedAnnouncement) -> None:
        if received.is_camera and not received.is_remote:
            report(received)

    with frames.listen(receive):
        for delay_s in REQUEST_DELAYS_S:
            if start + delay_s > until:
                break
            await asyncio.sleep(start + delay_s - loop.time())
            problems += frames.broadcast_request()
        await asyncio.sleep(until - loop.time())
    return list(dict.fromkeys(problems))
