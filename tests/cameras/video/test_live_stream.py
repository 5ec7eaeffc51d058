"""A live picture: shared, watched, restarted, bounded, and ended with its last viewer."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.cameras.video.live_stream import LiveStream
from gateway.cameras.video.source import Period
from gateway.cameras.video.video import CameraVideo
from gateway.cameras.video.viewer import StreamStatus, Viewer
from gateway.errors import CameraUnreachable, Conflict, InvalidRequest, NotFound, NotManaged, Overloaded
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.store import SimulatedStore
from tests.cameras.video.conftest import NewVideo
from tests.search import manage
from tests.waiting import until


async def states(viewer: Viewer) -> AsyncIterator[StreamStatus]:
    async for item in viewer:
        if isinstance(item, StreamStatus):
            yield item


async def wait_for_state(viewer: Viewer, state: str) -> StreamStatus:
    async for status in states(viewer):
        if status.state == state:
            return status
    raise AssertionError(f"the viewer ended before {state}")


async def read_fragments(viewer: Viewer, count: int) -> list[bytes]:
    """Return the initialisation segment and the next fragments."""
    read: list[bytes] = []
    async for item in viewer:
        if isinstance(item, bytes):
            read.append(item)
        if len(read) > count:
            break
    return read


def running(video: CameraVideo, sn: str) -> LiveStream:
    stream = video.find_stream(sn)
    assert stream is not None
    return stream


def exists(pid: int | None) -> bool:
    return pid is not None and Path(f"/proc/{pid}").exists()


async def test_a_viewer_gets_the_segment_and_then_pictures(video: CameraVideo, camera: SimulatedCamera) -> None:
    async with video.watch(camera.sn) as viewer:
        status = await wait_for_state(viewer, "live")
        assert (status.codec, status.width, status.height) == ("avc1.42C016", 640, 360)
        segment, *fragments = await read_fragments(viewer, 20)
        assert segment[4:8] == b"ftyp"
        assert {fragment[4:8] for fragment in fragments} == {b"moof"}
        assert video.describe(camera.sn) == {
            "state": "live", "codec": "avc1.42C016", "width": 640, "height": 360, "problem": None,
            "source": "camera", "viewers": 1,
        }  # fmt: skip
    assert [line.split()[0] for line in camera.rtsp.requests[:4]] == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"]
    assert all(line.split()[1].startswith(f"rtsp://{camera.host}:") for line in camera.rtsp.requests)


async def test_viewers_share_one_child_which_ends_with_the_last(video: CameraVideo, camera: SimulatedCamera) -> None:
    async with video.watch(camera.sn) as first, video.watch(camera.sn) as second:
        for viewer in (first, second):
            await wait_for_state(viewer, "live")
        stream = running(video, camera.sn)
        pid = stream.pid
        assert (stream.starts, stream.viewers, exists(pid)) == (1, 2, True)
        async with video.watch(camera.sn) as third:
            assert (await read_fragments(third, 1))[0][4:8] == b"ftyp"
    await until(lambda: video.find_stream(camera.sn) is None)
    await until(lambda: not exists(pid))
    await until(lambda: not camera.rtsp.players)


async def test_a_page_that_is_loaded_again_finds_the_picture_running(
    ffmpeg: str, new_video: NewVideo, camera: SimulatedCamera
) -> None:
    video = new_video(idle_s=60)
    async with video.watch(camera.sn) as viewer:
        await wait_for_state(viewer, "live")
    async with video.watch(camera.sn) as viewer:
        await wait_for_state(viewer, "live")
        assert running(video, camera.sn).starts == 1


async def test_a_picture_that_is_looked_at_again_and_again_stays(
    ffmpeg: str, new_video: NewVideo, camera: SimulatedCamera
) -> None:
    video, clock, idle_s = new_video(idle_s=3), asyncio.get_running_loop(), 3
    async with video.watch(camera.sn) as viewer:
        await wait_for_state(viewer, "live")
        streams = [running(video, camera.sn)]
    while len(streams) < 4:
        left_at = clock.time()
        await asyncio.sleep(idle_s / 2)
        async with video.watch(camera.sn) as viewer:
            if clock.time() - left_at >= idle_s:  # on a busy machine: then it may have ended rightly
                streams.clear()
            await wait_for_state(viewer, "live")
            streams.append(running(video, camera.sn))
    assert len(set(streams)) == 1


async def test_a_killed_child_is_restarted(video: CameraVideo, camera: SimulatedCamera) -> None:
    async with video.watch(camera.sn) as viewer:
        await wait_for_state(viewer, "live")
        stream = running(video, camera.sn)
        assert stream.pid is not None
        os.kill(stream.pid, signal.SIGKILL)
        frozen = await wait_for_state(viewer, "frozen")
        assert "broke off" in frozen.problem
        await wait_for_state(viewer, "live")
        segment, fragment = await read_fragments(viewer, 1)
        assert (segment[4:8], fragment[4:8]) == (b"ftyp", b"moof")
        assert stream.starts == 2


async def test_a_child_that_hangs_is_noticed_and_restarted(video: CameraVideo, camera: SimulatedCamera) -> None:
    async with video.watch(camera.sn) as viewer:
        await wait_for_state(viewer, "live")
        stream = running(video, camera.sn)
        pid = stream.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        frozen = await wait_for_state(viewer, "frozen")
        assert "no picture" in frozen.problem
        assert video.describe(camera.sn)["state"] == "frozen"
        await wait_for_state(viewer, "live")
        assert not exists(pid)


async def test_a_camera_that_sends_no_more_is_frozen(video: CameraVideo, camera: SimulatedCamera) -> None:
    async with video.watch(camera.sn) as viewer:
        await wait_for_state(viewer, "live")
        camera.rtsp.frozen = True
        await wait_for_state(viewer, "frozen")
        async with video.watch(camera.sn) as late:
            assert (await anext(states(late))).state == "frozen"
        camera.rtsp.frozen = False
        await wait_for_state(viewer, "live")


async def test_a_camera_that_leaves_and_returns(video: CameraVideo, camera: SimulatedCamera) -> None:
    async with video.watch(camera.sn) as viewer:
        await wait_for_state(viewer, "live")
        await camera.stop()
        await wait_for_state(viewer, "frozen")
        await camera.start()
        await wait_for_state(viewer, "live")


async def test_no_more_pictures_than_the_setting_says(
    video: CameraVideo, store: SimulatedStore, gateway: Gateway, camera: SimulatedCamera
) -> None:
    for other in store.cameras[1:]:
        other.state.activate(store.app_id)
        await manage(gateway, other)
    second, third = store.cameras[1:]
    async with video.watch(camera.sn):
        async with video.watch(second.sn):
            with pytest.raises(Overloaded, match=r"2 pictures are open, and the setting video\.max_streams allows 2"):
                await video.watch(third.sn).__aenter__()
            with pytest.raises(Overloaded):
                await video.play(third.sn, Period(1578969264, 1578969270)).__aenter__()
            async with video.watch(camera.sn):
                assert video.streams == 2
        async with video.watch(third.sn) as viewer:  # in the place of one that nobody watches any more
            await wait_for_state(viewer, "live")
            assert video.streams == 2


async def test_pictures_can_be_switched_off(ffmpeg: str, new_video: NewVideo, camera: SimulatedCamera) -> None:
    with pytest.raises(Overloaded, match="allows 0"):
        await new_video(max_streams=0).watch(camera.sn).__aenter__()


async def test_without_ffmpeg_it_says_what_to_install(
    new_video: NewVideo, camera: SimulatedCamera, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    video = new_video()
    with pytest.raises(Conflict, match="apt install ffmpeg"):
        await video.watch(camera.sn).__aenter__()
    with pytest.raises(Conflict, match="apt install ffmpeg"):
        await video.snapshot(camera.sn)
    assert video.streams == 0


async def test_an_ffmpeg_that_cannot_be_started_is_said(
    new_video: NewVideo, camera: SimulatedCamera, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "ffmpeg"
    broken.write_text("#!/nonexistent\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CameraUnreachable, match="cannot be started"):
        await new_video().snapshot(camera.sn)


async def test_only_managed_cameras_are_shown(video: CameraVideo, store: SimulatedStore, gateway: Gateway) -> None:
    with pytest.raises(NotFound):
        await video.watch("FS000").__aenter__()
    await gateway.registry.manage("FS000", "127.0.0.9:443")
    await gateway.registry.unmanage("FS000")
    with pytest.raises(NotManaged):
        await video.watch("FS000").__aenter__()


async def test_a_revoked_token_ends_its_viewers(video: CameraVideo, camera: SimulatedCamera) -> None:
    async with video.watch(camera.sn, token="till 1") as revoked, video.watch(camera.sn, token="till 2") as other:
        video.end("till 1")
        async for _ in revoked:
            pass
        await wait_for_state(other, "live")


async def test_the_child_is_bounded_and_dies_first(video: CameraVideo, camera: SimulatedCamera) -> None:
    async with video.watch(camera.sn) as viewer:
        await wait_for_state(viewer, "live")
        process = Path(f"/proc/{running(video, camera.sn).pid}")
        limits = {line[:25].strip(): line[26:].split() for line in (process / "limits").read_text().splitlines()}
        assert limits["Max address space"][0] == str(1024**3)
        assert limits["Max file size"][0] == "0"
        assert limits["Max core file size"][0] == "0"
        assert (process / "oom_score_adj").read_text().strip() == "900"
        environment = (process / "environ").read_bytes().strip(b"\0").split(b"\0")
        assert sorted(environment) == [b"HOME=/nonexistent", b"LC_ALL=C.UTF-8"]
        words = (process / "cmdline").read_bytes().split(b"\0")
        assert b"-nostdin" in words
        assert words[words.index(b"-protocol_whitelist") + 1] == b"tcp,rtp"
        assert not any(token.split("/")[1].encode() in b"".join(words) for token in camera.state.streams), "a secret"


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "http://127.0.0.1/x", "concat:/etc/passwd|/etc/shadow", "rtsp://a:b@127.0.0.1/x",
        "rtsp://127.0.0.1:22/x", "rtsp://127.0.0.1/x\r\nX: y", "", 7, None, ["rtsp://x/"],
    ],
)  # fmt: skip
async def test_a_hostile_address_is_not_opened(
    video: CameraVideo, camera: SimulatedCamera, url: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(camera.state), "open_stream", lambda state, name, duration_s: url)
    async with video.watch(camera.sn) as viewer:
        async for status in states(viewer):
            if status.problem:
                break
        assert "address of its stream" in status.problem
        assert running(video, camera.sn).starts == 0


async def test_another_host_is_replaced_by_the_cameras_own(
    video: CameraVideo, camera: SimulatedCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_stream = type(camera.state).open_stream
    foreign = f"rtsp://192.0.2.7:{camera.rtsp.port}"

    def name_another_host(state: Any, name: str, duration_s: float) -> str:
        return open_stream(state, name, duration_s).replace(f"rtsp://{camera.host}:{camera.rtsp.port}", foreign)

    monkeypatch.setattr(type(camera.state), "open_stream", name_another_host)
    async with video.watch(camera.sn) as viewer:
        await wait_for_state(viewer, "live")


async def test_where_the_camera_has_no_stream_the_cloud_sends_it(
    video: CameraVideo, store: SimulatedStore, camera: SimulatedCamera
) -> None:
    camera.faults.add("status", path="media/getLiveStream", status=404)
    async with video.watch(camera.sn) as viewer:
        await wait_for_state(viewer, "live")
        assert video.describe(camera.sn)["source"] == "cloud"
        assert len(await read_fragments(viewer, 20)) == 21
        assert store.cloud.state.streams
    await until(lambda: not store.cloud.state.streams)
    assert not camera.rtsp.requests


async def test_a_camera_that_neither_knows_says_so(video: CameraVideo, store: SimulatedStore, gateway: Gateway) -> None:
    other = store.cameras[1]
    other.state.activate(store.app_id)
    await manage(gateway, other)
    other.faults.add("status", path="media/getLiveStream", status=404)
    async with video.watch(other.sn) as viewer:
        async for status in states(viewer):
            if status.problem:
                break
        assert "the cloud does not know it" in status.problem


async def test_a_recording_is_played_to_its_end(video: CameraVideo, camera: SimulatedCamera) -> None:
    async with video.play(camera.sn, Period(1578969264, 1578969266)) as viewer:
        received = [item async for item in viewer]
    statuses = [item.state for item in received if isinstance(item, StreamStatus)]
    assert statuses[-2:] == ["live", "ended"]
    assert len(received) > 25
    assert video.streams == 0


async def test_the_cloud_plays_a_recording(video: CameraVideo, store: SimulatedStore, camera: SimulatedCamera) -> None:
    camera.faults.add("status", path="media/getPlaybackStream", status=404)
    async with video.play(camera.sn, Period(1578969264, 1578969266)) as viewer:
        received = [item async for item in viewer]
    assert isinstance(received[-1], StreamStatus)
    assert received[-1].problem == ""
    assert len(received) > 25
    await until(lambda: not store.cloud.state.streams)


async def test_a_recording_that_is_not_there(video: CameraVideo, camera: SimulatedCamera) -> None:
    camera.state.card_status = 0
    async with video.play(camera.sn, Period(1578969264, 1578969266)) as viewer:
        *_, last = [item async for item in viewer]
    assert isinstance(last, StreamStatus)
    assert "235" in last.problem


@pytest.mark.parametrize("period", [Period(2, 2), Period(2, 1), Period(0, 3601)])
async def test_a_period_has_bounds(video: CameraVideo, camera: SimulatedCamera, period: Period) -> None:
    with pytest.raises(InvalidRequest):
        await video.play(camera.sn, period).__aenter__()


async def test_a_snapshot_is_a_jpeg(video: CameraVideo, camera: SimulatedCamera) -> None:
    jpeg = await video.snapshot(camera.sn)
    assert jpeg[:2] == b"\xff\xd8"
    assert jpeg[-2:] == b"\xff\xd9"
    await until(lambda: video.find_stream(camera.sn) is None)


async def test_a_snapshot_of_a_camera_that_is_gone(video: CameraVideo, camera: SimulatedCamera) -> None:
    await camera.stop()
    with pytest.raises(CameraUnreachable):
        await video.snapshot(camera.sn)


async def make_h265(ffmpeg: str) -> bytes:
    """Return a second of H.265 as fragmented MP4."""
    source = ("-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=10:duration=1", "-c:v", "libx265")
    codec = ("-preset", "ultrafast", "-x265-params", "log-level=error:keyint=10:pools=1", "-tag:v", "hvc1")
    target = ("-movflags", "empty_moov+default_base_moof+frag_every_frame", "-f", "mp4", "pipe:1")
    made = await asyncio.create_subprocess_exec(ffmpeg, *source, *codec, *target, stdout=asyncio.subprocess.PIPE)
    content, _ = await made.communicate()
    return content


async def test_a_snapshot_of_h265_waits_for_its_key_frame(
    ffmpeg: str, video: CameraVideo, camera: SimulatedCamera, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = await make_h265(ffmpeg)
    start = content.index(b"moof") - 4
    for name, part in (("segment", content[:start]), ("pictures", content[start:])):
        (tmp_path / name).write_bytes(part)
    script = tmp_path / "ffmpeg"
    copying = f"cat {tmp_path}/segment; until [ -e {tmp_path}/go ]; do sleep 0.05; done; exec cat {tmp_path}/pictures -"
    script.write_text(f'#!/bin/sh\ncase "$*" in *rtsp:*) {copying};; *) exec {ffmpeg} "$@";; esac\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    async with video.watch(camera.sn) as viewer:
        await wait_for_state(viewer, "unsupported")
        snapshot = asyncio.create_task(video.snapshot(camera.sn))
        await until(lambda: running(video, camera.sn).viewers == 2 or snapshot.done())
        (tmp_path / "go").touch()
        assert (await snapshot).startswith(b"\xff\xd8")


async def test_closing_ends_viewers_and_children(video: CameraVideo, camera: SimulatedCamera) -> None:
    async with contextlib.AsyncExitStack() as stack:
        viewer = await stack.enter_async_context(video.watch(camera.sn))
        await wait_for_state(viewer, "live")
        pid = running(video, camera.sn).pid
        await asyncio.gather(video.close(), wait_for_state(viewer, "ended"))
        assert not exists(pid)
