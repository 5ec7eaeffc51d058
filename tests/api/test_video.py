"""Pictures by REST: snapshots, the state of the stream, and live pictures and recordings by WebSocket."""

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.store import SimulatedStore
from tests.search import manage
from tests.waiting import until

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


@pytest.fixture
async def media(gateway: Gateway) -> dict[str, str]:
    """Return the header of a caller that may see pictures, and nothing else."""
    return {"Authorization": f"Bearer {await gateway.tokens.create('a screen', 'media')}"}


async def read(socket: aiohttp.ClientWebSocketResponse) -> AsyncIterator[dict[str, Any] | bytes]:
    async for message in socket:
        if message.type is aiohttp.WSMsgType.TEXT:
            yield json.loads(message.data)
        else:
            yield message.data


async def read_until_live(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    async for item in read(socket):
        if isinstance(item, dict) and item["state"] == "live":
            return item
    raise AssertionError("it ended before it was live")


@needs_ffmpeg
async def test_the_live_picture(ours: SimulatedCamera, session: aiohttp.ClientSession, media: dict[str, str]) -> None:
    path = f"/api/v1/cameras/{ours.sn}"
    async with session.ws_connect(f"{path}/live.mp4", headers=media) as socket:
        assert await read_until_live(socket) == {
            "state": "live", "codec": "avc1.42C016", "width": 640, "height": 360, "problem": None,
        }  # fmt: skip
        kinds = [(await socket.receive_bytes())[4:8] for _ in range(20)]
        assert kinds == [b"ftyp"] + 19 * [b"moof"]
        async with session.get(f"{path}/stream", headers=media) as response:
            shown = await response.json()
        assert shown["state"] == "live"
        assert (shown["source"], shown["viewers"], shown["rtsp_url"]) == ("camera", 1, None)


@needs_ffmpeg
async def test_a_browser_watches_with_a_ticket(
    ours: SimulatedCamera, session: aiohttp.ClientSession, installer: Any
) -> None:
    ticket = (await installer("POST", "/api/v1/events/tickets")).body["ticket"]
    async with session.ws_connect(f"/api/v1/cameras/{ours.sn}/live.mp4?ticket={ticket}") as socket:
        await read_until_live(socket)


@needs_ffmpeg
async def test_a_snapshot(ours: SimulatedCamera, session: aiohttp.ClientSession, media: dict[str, str]) -> None:
    async with session.get(f"/api/v1/cameras/{ours.sn}/snapshot", headers=media) as response:
        assert response.status == 200
        assert response.content_type == "image/jpeg"
        assert response.headers["Cache-Control"] == "no-store"
        jpeg = await response.read()
    assert jpeg.startswith(b"\xff\xd8")
    assert jpeg.endswith(b"\xff\xd9")


@needs_ffmpeg
async def test_a_recording(ours: SimulatedCamera, session: aiohttp.ClientSession, media: dict[str, str]) -> None:
    path = f"/api/v1/cameras/{ours.sn}/playback.mp4?start_time=1578969264&end_time=1578969266"
    async with session.ws_connect(path, headers=media) as socket:
        received = [item async for item in read(socket)]
    states = [item["state"] for item in received if isinstance(item, dict)]
    assert states[-2:] == ["live", "ended"]
    assert sum(isinstance(item, bytes) for item in received) > 25


async def test_an_address_for_a_recorder_is_for_installers(ours: SimulatedCamera, installer: Any) -> None:
    shown = (await installer("GET", f"/api/v1/cameras/{ours.sn}/stream")).body
    assert shown["rtsp_url"].startswith(f"rtsp://{ours.host}:{ours.rtsp.port}/")
    assert shown["rtsp_url"].endswith("/live_fhd.sdp")
    assert (shown["state"], shown["problem"]) == (None, None)
    await ours.stop()
    shown = (await installer("GET", f"/api/v1/cameras/{ours.sn}/stream")).body
    assert shown["rtsp_url"] is None
    assert shown["problem"]


@pytest.mark.parametrize("path", ["snapshot", "stream", "live.mp4", "playback.mp4?start_time=1&end_time=2"])
async def test_pictures_need_the_scope_media(ours: SimulatedCamera, pos: Any, path: str) -> None:
    assert (await pos("GET", f"/api/v1/cameras/{ours.sn}/{path}")).status == 403


@pytest.mark.parametrize("path", ["snapshot", "stream", "live.mp4", "playback.mp4?start_time=1&end_time=2"])
async def test_an_unknown_camera(installer: Any, path: str) -> None:
    assert (await installer("GET", f"/api/v1/cameras/FS000/{path}")).status == 404


async def test_what_is_no_websocket_is_refused(ours: SimulatedCamera, installer: Any) -> None:
    refused = await installer("GET", f"/api/v1/cameras/{ours.sn}/live.mp4")
    assert (refused.status, refused.body["errors"][0]["parameter"]) == (400, "Upgrade")
    refused = await installer("GET", f"/api/v1/cameras/{ours.sn}/playback.mp4?start_time=x")
    assert {one["parameter"] for one in refused.body["errors"]} == {"start_time", "end_time"}


async def test_why_there_is_no_picture_is_a_message(
    ours: SimulatedCamera,
    session: aiohttp.ClientSession,
    media: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    async with session.ws_connect(f"/api/v1/cameras/{ours.sn}/live.mp4", headers=media) as socket:
        [message] = [item async for item in read(socket)]
    assert isinstance(message, dict)
    assert message["state"] == "refused"
    assert "apt install ffmpeg" in message["problem"]
    async with session.get(f"/api/v1/cameras/{ours.sn}/snapshot", headers=media) as response:
        assert response.status == 409
        assert "apt install ffmpeg" in (await response.json())["detail"]


@needs_ffmpeg
async def test_a_revoked_token_sees_nothing_more(
    ours: SimulatedCamera, gateway: Gateway, session: aiohttp.ClientSession, media: dict[str, str]
) -> None:
    async with session.ws_connect(f"/api/v1/cameras/{ours.sn}/live.mp4", headers=media) as socket:
        await read_until_live(socket)
        await gateway.tokens.revoke("a screen")
        async for _ in read(socket):
            pass
    assert socket.closed


@needs_ffmpeg
async def test_a_server_that_stops_ends_its_viewers(
    store: SimulatedStore, gateway: Gateway, media: dict[str, str]
) -> None:
    ours = store.cameras[0]
    await manage(gateway, ours)
    async with aiohttp.ClientSession() as http:
        async with serve(gateway) as [url, *_]:
            socket = await http.ws_connect(f"{url}api/v1/cameras/{ours.sn}/live.mp4", headers=media)
            await read_until_live(socket)
        async for _ in read(socket):
            pass
        assert socket.close_code in (1000, 1001, 1006)


@needs_ffmpeg
async def test_a_reader_that_goes_is_noticed(
    ours: SimulatedCamera, gateway: Gateway, session: aiohttp.ClientSession, media: dict[str, str]
) -> None:
    async with session.ws_connect(f"/api/v1/cameras/{ours.sn}/live.mp4", headers=media) as socket:
        await read_until_live(socket)
    stream = gateway.video.find_stream(ours.sn)
    assert stream is not None
    await until(lambda: stream.viewers == 0)
