"""Finding cameras by the vendor's broadcast: ask everyone three times, listen to the end of the round."""

import asyncio
from collections.abc import Callable

from gateway.discovery.frames import FrameSockets, Heard
from gateway.protocol.discovery_frames import REQUEST_DELAYS_S


async def broadcast(frames: FrameSockets, *, until: float, report: Callable[[Heard], None]) -> list[str]:
    """Report every camera that announces itself until the loop's time `until`; return what went wrong.

    Requests are sent when the vendor's app sends them (NOTES: Discovery schedule).
    """
    loop = asyncio.get_running_loop()
    begin = loop.time()
    failures: list[str] = []
    with frames.listening(lambda heard: report(heard) if heard.is_camera and not heard.remote else None):
        for at in REQUEST_DELAYS_S:
            if begin + at > until:
                break
            await asyncio.sleep(begin + at - loop.time())
            failures += frames.ask_everyone()
        await asyncio.sleep(until - loop.time())
    return list(dict.fromkeys(failures))
