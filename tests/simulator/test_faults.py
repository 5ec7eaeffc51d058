"""Injected faults as a client sees them."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest

from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.faults import FaultKind, InjectedFault

Post = Callable[..., Awaitable[dict[str, Any]]]
Signed = Callable[..., dict[str, str]]

RENAME = "config/updateName"


async def test_a_slow_response(camera: SimulatedCamera, post: Post, signed: Signed) -> None:
    camera.faults.add("slow", seconds=0.2)
    begun = time.monotonic()
    assert (await post(camera, "config/getName", signed()))["code"] == 0
    assert time.monotonic() - begun >= 0.2


@pytest.mark.parametrize(("kind", "done"), [("drop", False), ("reset_before", False), ("reset_after", True)])
async def test_a_connection_that_ends_without_a_response(
    camera: SimulatedCamera, post: Post, signed: Signed, kind: FaultKind, done: bool
) -> None:
    camera.faults.add(kind, path=RENAME)
    fields = signed({"name": "front door"})
    with pytest.raises((aiohttp.ClientConnectionError, ConnectionResetError)):
        await post(camera, RENAME, fields)
    assert (camera.state.name == "front door") is done
    assert camera.request_paths == [RENAME]
    assert (await post(camera, "config/getName", signed()))["code"] == 0, "one fault, once"


async def test_a_refusal(camera: SimulatedCamera, post: Post, signed: Signed) -> None:
    camera.faults.add("refuse", code=1, path="config/setZoom", times=2)
    codes = [(await post(camera, "config/setZoom", signed({"zoom": "5"})))["code"] for _ in range(3)]
    assert codes == [1, 1, 0]


async def test_an_http_status(camera: SimulatedCamera, http: aiohttp.ClientSession) -> None:
    camera.faults.add("status", status=503, retry_after_s=7)
    camera.faults.add("status", status=401, code=5090)
    url = f"https://{camera.address}/openapi/config/getName"
    async with http.post(url) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "7")
    async with http.post(url) as response:
        assert response.status == 401
        assert (await response.json())["code"] == 5090


@pytest.mark.parametrize("kind", ["garbage", "html", "empty"])
async def test_a_body_that_is_no_vendor_response(
    camera: SimulatedCamera, http: aiohttp.ClientSession, kind: FaultKind
) -> None:
    camera.faults.add(kind)
    async with http.post(f"https://{camera.address}/openapi/config/getName") as response:
        assert response.status == 200
        with pytest.raises(ValueError):  # noqa: PT011 - whichever way it fails to be JSON
            json.loads(await response.read())


async def test_an_endless_body(camera: SimulatedCamera, http: aiohttp.ClientSession) -> None:
    camera.faults.add("endless")
    async with http.post(f"https://{camera.address}/openapi/config/getName") as response:
        read = 0
        async for chunk in response.content.iter_chunked(65536):
            read += len(chunk)
            if read > 4_000_000:
                break
        response.close()


async def test_no_response_at_all(camera: SimulatedCamera, http: aiohttp.ClientSession) -> None:
    camera.faults.add("silent")
    with pytest.raises(asyncio.TimeoutError):
        await http.post(f"https://{camera.address}/openapi/config/getName", timeout=aiohttp.ClientTimeout(total=0.2))
    await camera.stop()


async def test_a_wrong_clock(camera: SimulatedCamera, post: Post, signed: Signed, http: aiohttp.ClientSession) -> None:
    camera.faults.clock_offset_s = -86400 * 365
    assert await post(camera, "config/getName", signed()) == {"code": 3}
    theirs = str(int(time.time()) - 86400 * 365)
    assert (await post(camera, "config/getName", signed({"timestamp": theirs})))["code"] == 0
    async with http.post(f"https://{camera.address}/openapi/config/getName") as response:
        shown = parsedate_to_datetime(response.headers["Date"]).timestamp()
    assert shown == pytest.approx(int(theirs), abs=300)


async def test_no_date(camera: SimulatedCamera, http: aiohttp.ClientSession) -> None:
    url = f"https://{camera.address}/openapi/config/getName"
    async with http.post(url) as response:
        assert "Date" in response.headers
    camera.faults.send_date = False
    async with http.post(url) as response:
        assert "Date" not in response.headers


async def test_connections_are_kept_or_closed(camera: SimulatedCamera, post: Post, signed: Signed) -> None:
    for _ in range(3):
        await post(camera, "config/getName", signed())
    assert camera.handshakes == 1
    camera.faults.close_after_answer = True
    for _ in range(3):
        await post(camera, "config/getName", signed())
    assert camera.handshakes == 3


async def test_faults_are_cleared(camera: SimulatedCamera, post: Post, signed: Signed) -> None:
    camera.faults.add("refuse", code=1, times=None)
    camera.faults.clock_offset_s = 5000
    camera.faults.clear()
    assert (await post(camera, "config/getName", signed()))["code"] == 0


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "slow"},
        {"kind": "refuse"},
        {"kind": "status"},
        {"kind": "status", "status": 200},
        {"kind": "drop", "times": 0},
    ],
)
def test_a_fault_without_effect_is_refused(fault: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"needs|is 400|at least"):
        InjectedFault(**fault)
