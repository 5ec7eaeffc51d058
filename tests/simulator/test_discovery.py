"""Simulated cameras respond to the vendor's discovery frames over real UDP (NOTES: Discovery frames)."""

import asyncio
import base64
import json
import os
import socket
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.protocol.discovery_frames import Announcement
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.discovery import DiscoveryResponder
from gateway.simulator.faults import PRINTER

REQUEST = bytes.fromhex("ffff33ff 01 01 0018 65794a795a584e6c636e5a6c496a6f694d544578496e303d 37947cfe")
"""The notes' test vector."""
BROADCAST = "127.255.255.255"
WIFI = {"ssid": "WeWork", "password": "1234567890"}

Post = Callable[..., Awaitable[dict[str, Any]]]
Make = Callable[..., Awaitable[SimulatedCamera]]
DiscoveryResponse = tuple[dict[str, Any], str]


def read_frame(frame: bytes) -> dict[str, Any]:
    """Read a response frame by the table in the notes."""
    assert frame[:6] == bytes.fromhex("ffff33ff 01 02")
    length = int.from_bytes(frame[6:8])
    assert len(frame) == 8 + length + 4 <= 1024
    assert int.from_bytes(frame[-4:]) == zlib.crc32(frame[:-4]), "a wrong checksum"
    payload: dict[str, Any] = json.loads(base64.b64decode(frame[8:-4], validate=True))
    return payload


@asynccontextmanager
async def running_responder(cameras: Sequence[SimulatedCamera]) -> AsyncIterator[DiscoveryResponder]:
    responder = DiscoveryResponder(cameras, port=0)
    await responder.start()
    try:
        yield responder
    finally:
        await responder.stop()


async def send_request(
    responder: DiscoveryResponder, destination: str, expected: int, frame: bytes = REQUEST
) -> list[Any]:
    """Send a request. Return the `expected` datagrams, and those that follow within 0.2 s."""
    loop = asyncio.get_running_loop()
    responses: list[Any] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sender.setblocking(False)
        sender.bind(("127.0.0.1", 0))
        sender.sendto(frame, (destination, responder.port))
        try:
            while True:
                timeout_s = None if len(responses) < expected else 0.2
                async with asyncio.timeout(timeout_s):  # noqa: TID251  nothing tells that no more comes
                    data, source = await loop.sock_recvfrom(sender, 2048)
                responses.append((data, source[0]))
        except TimeoutError:
            return responses


async def discover(responder: DiscoveryResponder, destination: str, expected: int) -> list[DiscoveryResponse]:
    return [(read_frame(frame), source) for frame, source in await send_request(responder, destination, expected)]


async def test_all_cameras_respond_to_a_broadcast_from_their_own_addresses(make_camera: Make) -> None:
    face = await make_camera(host="127.20.5.1", https=False)
    store = await make_camera(host="127.20.5.2", https=False, sn="SS101D8BS00083", model="FM010", hotspot=True)
    async with running_responder([face, store]) as responder:
        responses = await discover(responder, BROADCAST, 2)
    by_sn = {payload["deviceid"]: (payload, source) for payload, source in responses}
    assert len(responses) == 2
    payload, source = by_sn["SS101D8BS00083"]
    assert source == payload["ip"] == "127.20.5.2"
    assert payload["network"] == "AP"
    assert payload["model"] == "FM010"
    assert payload["mac"] == "041224E34512"
    assert payload["firmware"] == "1.2.6"
    assert set(payload) == {
        "deviceid", "ip", "mac", "model", "type", "name", "factory", "firmware", "networkrol", "network",
    }  # fmt: skip
    assert by_sn["FS101D8BS00106"][0]["network"] != "AP"


async def test_one_camera_responds_to_a_frame_for_its_address(make_camera: Make) -> None:
    face = await make_camera(host="127.20.5.1", https=False)
    store = await make_camera(host="127.20.5.2", https=False, sn="SS101D8BS00083", model="FM010")
    async with running_responder([face, store]) as responder:
        responses = await discover(responder, "127.20.5.2", 1)
        assert [(payload["deviceid"], source) for payload, source in responses] == [("SS101D8BS00083", "127.20.5.2")]
        assert await discover(responder, "127.20.5.3", 0) == [], "nobody is there"
        assert await discover(responder, "127.0.0.1", 0) == []


async def test_malformed_frames_have_no_response(make_camera: Make) -> None:
    camera = await make_camera(https=False)
    async with running_responder([camera]) as responder:
        for frame in [b"", b"hello", REQUEST[:-1] + b"\x00", REQUEST + b"x"]:
            assert await send_request(responder, "127.0.0.1", 0, frame) == []
        assert responder.request_count == 0
        assert len(await discover(responder, "127.0.0.1", 1)) == 1


async def test_a_camera_off_the_network_does_not_respond(make_camera: Make, post: Post) -> None:
    camera = await make_camera(host="127.20.5.1", hotspot=True, rejoin_s=60)
    async with running_responder([camera]) as responder:
        await post(camera, "config/setWifiConfWithoutAuth", WIFI)
        assert await discover(responder, BROADCAST, 0) == []


async def test_a_camera_is_found_where_it_returns(make_camera: Make, post: Post) -> None:
    camera = await make_camera(host="127.20.5.1", hotspot=True, on_wifi=lambda camera, ssid: "127.20.5.9")
    async with running_responder([camera]) as responder:
        await post(camera, "config/setWifiConfWithoutAuth", WIFI)
        await camera.wait_until_back()
        for destination in (BROADCAST, "127.20.5.9"):
            responses = await discover(responder, destination, 1)
            assert [(payload["ip"], source) for payload, source in responses] == [("127.20.5.9", "127.20.5.9")]
        assert await discover(responder, "127.20.5.1", 0) == []


async def test_faults_of_discovery(make_camera: Make) -> None:
    camera = await make_camera(https=False)
    async with running_responder([camera]) as responder:
        responder.faults.silent = True
        assert await send_request(responder, BROADCAST, 0) == []
        responder.faults.silent = False
        responder.faults.corrupt_first = True
        responder.faults.copies = 2
        corrupt, *good = await send_request(responder, BROADCAST, 3)
        assert zlib.crc32(corrupt[0][:-4]) != int.from_bytes(corrupt[0][-4:])
        assert [read_frame(frame)["deviceid"] for frame, _ in good] == [camera.sn, camera.sn]
        responder.faults.corrupt_first, responder.faults.copies = False, 1
        responder.faults.other_devices = (PRINTER, Announcement(sn="R1", model="W1", type="ROUTER"))
        models = [payload["model"] for payload, _ in await discover(responder, BROADCAST, 3)]
        assert models == ["FM020", "NT311", "W1"]


async def test_fifty_cameras_respond_within_two_seconds(make_camera: Make) -> None:
    cameras = [await make_camera(sn=f"FS{number:012}", host=f"127.20.6.{number}", https=False) for number in range(50)]
    async with running_responder(cameras) as responder:
        responses = await discover(responder, BROADCAST, 50)
    assert {payload["deviceid"] for payload, _ in responses} == {camera.sn for camera in cameras}


START_FOUR = """
import asyncio
from gateway.simulator.discovery import DiscoveryResponder

async def start() -> None:
    made = [DiscoveryResponder([], port=0, bind_address="127.255.255.255") for _ in range(4)]
    for one in made:
        await one.start()
    print(sorted(one.port for one in made))

asyncio.run(start())
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="a network namespace needs root")
def test_no_two_simulators_choose_the_same_port() -> None:
    """In a network that has four ports."""
    ports = 'ip link set lo up && sysctl -qw net.ipv4.ip_local_port_range="40000 40003" && exec "$0" -c "$1"'
    command = ["unshare", "--net", "sh", "-c", ports, sys.executable, START_FOUR]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[40000, 40001, 40002, 40003]\n", "")
