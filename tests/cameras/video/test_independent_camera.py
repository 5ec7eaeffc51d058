"""The picture of an RTSP server that is not ours: GStreamer's."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cameras.video.video import CameraVideo
from gateway.cameras.video.viewer import StreamStatus
from gateway.simulator.camera import SimulatedCamera

PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).with_name("gstreamer_camera.py")
NEEDED = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
H264 = (
    "( videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=10/1 "
    "! x264enc tune=zerolatency key-int-max=10 ! rtph264pay name=pay0 pt=96 )"
)


def why_not() -> str | None:
    if not Path(PYTHON).exists() or subprocess.run([PYTHON, "-c", NEEDED], capture_output=True, check=False).returncode:
        return "needs Debian's gir1.2-gst-rtsp-server-1.0 and python3-gi"
    return None


pytestmark = [pytest.mark.slow, pytest.mark.skipif(why_not() is not None, reason=str(why_not()))]


@contextlib.asynccontextmanager
async def streaming(camera: SimulatedCamera, pipeline: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Let a camera's stream be GStreamer's, at the camera's address."""
    process = await asyncio.create_subprocess_exec(
        PYTHON, str(SERVER), camera.host, pipeline, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        url = f"rtsp://{camera.host}:{port}/live"
        monkeypatch.setattr(type(camera.state), "open_stream", lambda state, name, duration_s: url)
        yield
    finally:
        process.kill()
        await process.wait()


async def wait_for_state(video: CameraVideo, sn: str, state: str) -> tuple[StreamStatus, list[bytes]]:
    """Watch until the stream is in a state and, if that is live, has sent ten pictures."""
    reached: Any = None
    async with video.watch(sn) as viewer:
        segments: list[bytes] = []
        async for item in viewer:
            if isinstance(item, bytes):
                segments.append(item)
            elif item.state == state:
                reached = item
            if reached is not None and (state != "live" or len(segments) > 10):
                break
    assert isinstance(reached, StreamStatus)
    return reached, segments


async def test_h264_is_shown(video: CameraVideo, camera: SimulatedCamera, monkeypatch: pytest.MonkeyPatch) -> None:
    async with streaming(camera, H264, monkeypatch):
        status, segments = await wait_for_state(video, camera.sn, "live")
    assert (status.codec[:5], status.width, status.height) == ("avc1.", 320, 240)
    assert [segment[4:8] for segment in segments[:3]] == [b"ftyp", b"moof", b"moof"]


async def test_h265_is_named_and_its_snapshot_is_there(
    ffmpeg: str, video: CameraVideo, camera: SimulatedCamera, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "picture.mp4"
    words = ("-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=10:duration=60", "-c:v", "libx265")
    options = ("-preset", "ultrafast", "-x265-params", "log-level=error:keyint=10:pools=1", "-tag:v", "hvc1")
    made = await asyncio.create_subprocess_exec(ffmpeg, *words, *options, str(file))
    assert await made.wait() == 0
    pipeline = f"( filesrc location={file} ! qtdemux ! rtph265pay name=pay0 pt=96 config-interval=-1 )"
    async with streaming(camera, pipeline, monkeypatch):
        status, segments = await wait_for_state(video, camera.sn, "unsupported")
        assert "sends H.265, which browsers do not show" in status.problem
        assert segments == []
        assert (await video.snapshot(camera.sn)).startswith(b"\xff\xd8")
    async with streaming(camera, pipeline, monkeypatch):
        await video.close()
        assert (await video.small_snapshot(camera.sn)).startswith(b"\xff\xd8")


async def test_a_codec_that_cannot_be_copied_is_named(
    video: CameraVideo, camera: SimulatedCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = (
        "( videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=10/1 "
        "! vp8enc deadline=1 ! rtpvp8pay name=pay0 pt=96 )"
    )
    async with streaming(camera, pipeline, monkeypatch), video.watch(camera.sn) as viewer:
        async for item in viewer:
            if isinstance(item, StreamStatus) and item.problem:
                assert "the codec is VP8" in item.problem
                break
