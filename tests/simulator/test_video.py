"""The picture of simulated cameras is real: ffmpeg, an independent player, reads it by RTSP and as FLV."""

import asyncio
import contextlib
import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.cloud import SimulatedCloud
from gateway.simulator.video.clip import FRAME_RATE, HEIGHT, WIDTH, load_clip, parse_clip
from gateway.simulator.video.rtp import RtpPacketizer

Make = Callable[..., Awaitable[SimulatedCamera]]
Post = Callable[..., Awaitable[dict[str, Any]]]
Signed = Callable[..., dict[str, str]]

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


async def run(*words: str) -> bytes:
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output


async def probe(*words: str) -> dict[str, Any]:
    output = await run("ffprobe", "-v", "error", "-of", "json", "-show_streams", *words)
    [stream] = json.loads(output)["streams"]
    return {name: stream[name] for name in ("codec_name", "profile", "width", "height", "has_b_frames")}


PICTURE = {
    "codec_name": "h264", "profile": "Constrained Baseline", "width": WIDTH, "height": HEIGHT, "has_b_frames": 0,
}  # fmt: skip


def test_the_clip_can_be_looped() -> None:
    clip = load_clip()
    assert len(clip.frames) == 8 * FRAME_RATE
    assert [index for index, frame in enumerate(clip.frames) if frame.is_key] == list(range(0, 120, FRAME_RATE))
    assert clip.next_key_frame(106) == 120
    assert clip.frame(120) is clip.frames[0]


def test_a_stream_that_begins_without_a_key_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="key frame"):
        parse_clip(b"\x00\x00\x00\x01\x41\x9a\x00")


def test_large_units_are_cut_into_packets_that_fit() -> None:
    clip = load_clip()
    data = RtpPacketizer(0, 1).packetize(clip, 0)
    sizes = []
    while data:
        size = int.from_bytes(data[2:4])
        sizes.append(size)
        data = data[4 + size :]
    assert len(sizes) > len(clip.frame(0).nal_units)
    assert max(sizes) <= 1412


@needs_ffmpeg
async def test_ffmpeg_plays_the_live_picture(make_camera: Make, post: Post, signed: Signed) -> None:
    camera = await make_camera(activated=True)
    live = (await post(camera, "media/getLiveStream", signed()))["data"]
    for url in live.values():
        assert await probe("-rtsp_transport", "tcp", url) == PICTURE
    assert await probe(live["hd_live_url"]) == PICTURE, "a player that tries UDP first"


@needs_ffmpeg
async def test_ffmpeg_plays_a_recording_to_its_end(make_camera: Make, post: Post, signed: Signed) -> None:
    camera = await make_camera(activated=True)
    period = signed({"start_time": "1578969264", "end_time": "1578969266"})
    url = (await post(camera, "media/getPlaybackStream", period))["data"]["playback_url"]
    words = ("-rtsp_transport", "tcp", "-i", url, "-c", "copy", "-f", "framecrc", "-")
    output = await run("ffmpeg", "-nostdin", "-v", "error", *words)
    frames = [line for line in output.splitlines() if not line.startswith(b"#")]
    assert 2 * FRAME_RATE - 2 <= len(frames) <= 2 * FRAME_RATE


@needs_ffmpeg
async def test_an_unknown_address_shows_nothing(make_camera: Make) -> None:
    camera = await make_camera(activated=True)
    url = f"rtsp://{camera.host}:{camera.rtsp.port}/unknown/live_hd.sdp"
    process = await asyncio.create_subprocess_exec("ffprobe", "-v", "quiet", "-rtsp_transport", "tcp", url)
    assert await process.wait() != 0
    assert [line.split()[0] for line in camera.rtsp.requests] == ["OPTIONS", "DESCRIBE"]


async def test_a_camera_that_leaves_ends_its_streams(make_camera: Make, post: Post, signed: Signed) -> None:
    camera = await make_camera(activated=True)
    url = (await post(camera, "media/getLiveStream", signed()))["data"]["hd_live_url"]
    reader, writer = await asyncio.open_connection(camera.host, camera.rtsp.port)
    setup = f"SETUP {url}/trackID=0 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"
    writer.write(setup.encode() + f"PLAY {url} RTSP/1.0\r\nCSeq: 2\r\n\r\n".encode())
    received = b""
    while b"$\x00" not in received:
        received += await reader.read(4096)
    assert received.startswith(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n")
    await camera.stop()
    with contextlib.suppress(ConnectionError):
        while await reader.read(65536):
            pass
    writer.close()
    assert not camera.rtsp.players


@needs_ffmpeg
async def test_ffmpeg_reads_the_clouds_stream(cloud: SimulatedCloud, ask: Post, tmp_path: Path) -> None:
    camera = cloud.state.bind_camera("7948", sn="FS101D8BS00106", name="Door", model="FM020")
    (tmp_path / "ca.pem").write_text(cloud.ca_pem)
    given = {"ipc_id": camera.ipc_id, "resolution": "0"}
    url = (await ask(cloud, "media/live/start", **given))["data"]["url"]
    trust = ("-tls_verify", "1", "-ca_file", str(tmp_path / "ca.pem"))
    assert await probe(*trust, url) == PICTURE
    assert (await ask(cloud, "media/live/stop", **given))["code"] == 0
    process = await asyncio.create_subprocess_exec("ffprobe", "-v", "quiet", *trust, url)
    assert await process.wait() != 0
