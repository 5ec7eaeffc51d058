"""Snapshots of pictures that do not run: one ffmpeg reads each from the camera, and a few are read at the same time."""

import asyncio
import os
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from gateway.app import Gateway
from gateway.cameras.video import snapshot, source
from gateway.cameras.video.ffmpeg import SMALL_JPEG, SMALL_WIDTH, FfmpegProcess, key_frame_arguments, run_ffmpeg
from gateway.cameras.video.video import CameraVideo
from gateway.errors import CameraUnreachable, Conflict, NotManaged
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.store import SimulatedStore
from tests.cameras.video.conftest import NewVideo
from tests.search import manage
from tests.waiting import until


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return the arguments of every ffmpeg that is started from now on."""
    started: list[list[str]] = []

    def note(arguments: Sequence[str]) -> AbstractAsyncContextManager[FfmpegProcess]:
        started.append(list(arguments))
        return run_ffmpeg(arguments)

    for module in (snapshot, source):
        monkeypatch.setattr(module, "run_ffmpeg", note)
    return started


def jpeg_size(jpeg: bytes) -> tuple[int, int]:
    """Return width and height of a baseline JPEG."""
    frame = jpeg.index(b"\xff\xc0")
    return int.from_bytes(jpeg[frame + 7 : frame + 9]), int.from_bytes(jpeg[frame + 5 : frame + 7])


async def test_one_ffmpeg_goes_from_the_camera_to_the_jpeg(
    video: CameraVideo, camera: SimulatedCamera, runs: list[list[str]]
) -> None:
    jpeg = await video.small_snapshot(camera.sn)
    assert (jpeg[:2], jpeg[-2:], jpeg_size(jpeg)) == (b"\xff\xd8", b"\xff\xd9", (640, 360))
    assert video.find_stream(camera.sn) is None
    (words,) = runs
    assert [words[words.index(one) + 1] for one in ("-protocol_whitelist", "-f", "-frames:v")] == [
        "tcp,rtp",
        "rtsp",
        "1",
    ]
    assert words[words.index("-i") + 1].startswith("rtsp://127.0.0.1:"), "only through the relay"
    assert not any(token.split("/")[1] in " ".join(words) for token in camera.state.streams), "a secret"
    await until(lambda: not camera.rtsp.players)


async def test_where_a_picture_runs_it_is_used(
    video: CameraVideo, camera: SimulatedCamera, runs: list[list[str]]
) -> None:
    async with video.watch(camera.sn):
        assert jpeg_size(await video.small_snapshot(camera.sn)) == (640, 360)
    live, converting = runs
    assert ("rtsp" in live, "copy" in live, "rtsp" in converting, "pipe:0" in converting) == (True, True, False, True)


async def test_a_large_picture_becomes_small(ffmpeg: str) -> None:
    words = ("-v", "error", "-f", "lavfi", "-i", "testsrc=size=1920x1080:duration=1", "-frames:v", "1")
    target = ("-c:v", "libx264", "-movflags", "empty_moov+default_base_moof", "-f", "mp4", "pipe:1")
    made = await asyncio.create_subprocess_exec(ffmpeg, *words, *target, stdout=asyncio.subprocess.PIPE)
    content, _ = await made.communicate()
    async with run_ffmpeg(key_frame_arguments(SMALL_JPEG)) as process:
        process.write(content)
        process.end_input()
        assert jpeg_size(await process.read_all(10**6)) == (SMALL_WIDTH, 540)


async def test_where_the_camera_has_no_stream_the_cloud_sends_it(
    video: CameraVideo, store: SimulatedStore, camera: SimulatedCamera
) -> None:
    camera.faults.add("status", path="media/getLiveStream", status=404)
    assert (await video.small_snapshot(camera.sn)).startswith(b"\xff\xd8")
    assert not camera.rtsp.requests
    await until(lambda: not store.cloud.state.streams)


async def test_no_more_are_taken_at_the_same_time_than_four_for_each_processor(
    new_video: NewVideo,
    camera: SimulatedCamera,
    runs: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\nuntil [ -e {tmp_path}/go ]; do sleep 0.02; done; printf '\\377\\330'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    video = new_video(max_streams=0)
    taking = [asyncio.create_task(video.small_snapshot(camera.sn)) for _ in range(7)]
    await until(lambda: len(runs) == 4)
    await asyncio.sleep(0.2)
    assert (len(runs), video.streams) == (4, 0)
    (tmp_path / "go").touch()
    assert await asyncio.gather(*taking) == [b"\xff\xd8"] * 7


async def test_a_camera_that_sends_nothing_is_given_up(
    video: CameraVideo, camera: SimulatedCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "_TIMEOUT_S", 0.5)
    camera.rtsp.frozen = True
    with pytest.raises(CameraUnreachable, match=f"the camera {camera.sn} shows no picture: it took longer than 0.5 s"):
        await video.small_snapshot(camera.sn)
    await until(lambda: not camera.rtsp.players)


async def test_a_picture_that_is_too_large_is_none(
    video: CameraVideo, camera: SimulatedCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "MAX_JPEG_BYTES", 1000)
    with pytest.raises(CameraUnreachable, match="shows no picture: it ended"):
        await video.small_snapshot(camera.sn)


async def test_what_stands_in_the_way_is_said(
    video: CameraVideo,
    camera: SimulatedCamera,
    store: SimulatedStore,
    gateway: Gateway,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    await manage(gateway, store.cameras[1])
    await gateway.registry.unmanage(store.cameras[1].sn)
    with pytest.raises(NotManaged):
        await video.small_snapshot(store.cameras[1].sn)
    camera.rtsp.find_stream = lambda path: None
    with pytest.raises(CameraUnreachable, match=r"shows no picture: .*404"):
        await video.small_snapshot(camera.sn)
    await camera.stop()
    with pytest.raises(CameraUnreachable, match=f"the camera {camera.sn} shows no picture: .*{camera.host}"):
        await video.small_snapshot(camera.sn)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Conflict, match="apt install ffmpeg"):
        await video.small_snapshot(camera.sn)
