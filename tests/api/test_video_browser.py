"""A browser shows the picture of a camera: frames move, stop when the camera hangs, and go on."""

import asyncio
import os
import shutil
import signal
from pathlib import Path

import pytest

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.simulator.store import SimulatedStore
from tests.browser import Page, browsing, why_not
from tests.search import manage
from tests.video_page import Seen, create_ticket, look, watch

pytestmark = [
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed"),
]


async def look_until_moved(page: Page, before: int) -> Seen:
    """Return what the page has seen when it has shown ten frames more."""
    while True:
        seen = await look(page)
        assert not seen.errors
        if len(seen.frames) >= before + 10:
            return seen
        await asyncio.sleep(0.05)


async def test_a_browser_sees_frames_move(store: SimulatedStore, gateway: Gateway, tmp_path: Path) -> None:
    ours = store.cameras[0]
    await manage(gateway, ours)
    async with serve(gateway) as [url, *_], browsing(tmp_path) as browser:
        ticket = await create_ticket(gateway, url)
        page = await browser.open(f"{url}healthz")
        await watch(page, f"/api/v1/cameras/{ours.sn}/live.mp4?ticket={ticket}")
        seen = await look_until_moved(page, 0)
        assert len(set(seen.frames)) >= 8, "the frames differ"
        stream = gateway.video.find_stream(ours.sn)
        assert stream is not None
        assert stream.pid is not None
        os.kill(stream.pid, signal.SIGSTOP)
        while (await look(page)).states[-1] != "frozen":
            await asyncio.sleep(0.05)
        seen = await look_until_moved(page, len((await look(page)).frames))
        assert seen.states[-2:] == ["frozen", "live"]
