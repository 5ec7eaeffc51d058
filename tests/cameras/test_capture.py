"""Captures: nothing secret is in them, a replay gives the same one again, and the kept ones fit the catalogue."""

import asyncio
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.cameras import capture as captures
from gateway.discovery.frame_sockets import RawFrame
from gateway.errors import CameraUnreachable, CameraUntrusted, NotFound, NotManaged
from gateway.protocol import json_text
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.discovery_frames import (
    Announcement,
    decode_frame,
    encode_announcement,
    encode_frame,
    parse_announcement,
)
from gateway.protocol.endpoint import REDACTED, ResponseField
from gateway.settings import CameraSettings
from gateway.simulator.replay import ReplayedCamera
from tests.cameras.capture_bench import (
    MODELS,
    NEIGHBOUR,
    SECRET_PASSWORD,
    SECRET_SSID,
    CaptureBench,
    read_of,
    repeatable_part,
)

KEPT_CAPTURES = Path(__file__).parent.parent / "fixtures" / "captures"
KEPT_FILES = {file.stem: file.read_text(encoding="utf-8") for file in sorted(KEPT_CAPTURES.glob("*.json"))}


def as_text(document: dict[str, Any]) -> str:
    return json_text.dumps(document, indent=2) + "\n"


# What a capture holds


async def test_a_capture_tells_what_was_asked_and_how_it_was_answered(capturing: CaptureBench) -> None:
    document = await capturing.captured(await capturing.simulate())

    assert {name: document[name] for name in ("format", "sn", "model", "software_version", "activation")} == {
        "format": 1, "sn": "FS101D8BS00000", "model": "FM020", "software_version": "1.2.6", "activation": "activated",
    }  # fmt: skip
    assert document["tls"]["version"] == "TLSv1.2"
    assert read_of(document, "config/getIrMode") == {
        "path": "config/getIrMode", "auth": "signed", "status": 200, "date": True, "keep_alive": True,
        "kept_connection": True, "answer": {"code": 0, "data": {"irmode": 2}},
    }  # fmt: skip
    assert read_of(document, "config/getApListWithoutAuth")["answer"] == {"code": 12}
    assert [(frame["asked"], frame["answered"], frame["source_port"]) for frame in document["frames"]] == [
        ("host", "host", 10001), ("everyone", "host", 10001),
    ]  # fmt: skip
    frame = document["frames"][0]
    assert (frame["version"], frame["type"]) == (1, 2)
    assert decode_frame(bytes.fromhex(frame["frame"])) == (2, frame["payload"])
    assert frame["length"] == len(bytes.fromhex(frame["frame"])) - 12


def test_every_read_of_the_catalogue_is_asked_and_nothing_that_acts() -> None:
    asked = {endpoint.path for endpoint in captures.list_read_endpoints()}
    assert {"config/getWifiConf", "config/getApList", "config/getApListWithoutAuth", "device/getInfo"} <= asked
    assert {path.partition("/")[2][:3] for path in asked} == {"get"}
    unasked = {one.path for one in CATALOGUE.list_endpoints("camera") if one.path not in asked and not one.parameters}
    assert not any(path.partition("/")[2].startswith("get") for path in unasked)


async def test_redaction_is_consistent_and_keeps_the_form(capturing: CaptureBench) -> None:
    document = await capturing.captured(await capturing.simulate())
    info = read_of(document, "device/getInfo")["answer"]["data"]
    announced = document["frames"][0]["payload"]
    assert info == {
        "sn": "FS101D8BS00000", "model_name": "FS", "name": "name-1", "software_version": "1.2.6",
        "hardware_version": "1.0.0", "ip": "192.0.2.1", "mac": "02:AB:00:00:00:01 ",
    }  # fmt: skip
    assert (announced["deviceid"], announced["mac"], announced["ip"]) == (
        "FS101D8BS00000", "02AB00000001", "192.0.2.1",
    )  # fmt: skip
    assert read_of(document, "config/getWifiConf")["answer"]["data"] == {"ssid": "network-1", "password": REDACTED}
    assert read_of(document, "config/getApList")["answer"]["data"]["ap_list"] == [
        {"ssid": "network-1", "key_mgmt": "WPA-PSK"},
        {"ssid": "network-2", "key_mgmt": "WPA-PSK"},
        {"ssid": "", "key_mgmt": "NONE"},
    ]


@pytest.mark.parametrize("model", MODELS)
async def test_no_secret_is_in_a_capture(capturing: CaptureBench, model: str) -> None:
    camera = await capturing.simulate(model, software_version="1.2.6-beta of Margot")
    document = await capturing.captured(camera)
    held = MODELS[model]
    secrets = [
        held["sn"], held["mac"], held["mac"].replace(":", ""), held["host"], "Margot", SECRET_SSID, SECRET_PASSWORD,
        NEIGHBOUR, "EF3OG8R5B32X0", "kdsofkdsnflke9382938k", "8000000000000000000042",
    ]  # fmt: skip
    frames = [decode_frame(bytes.fromhex(frame["frame"])) for frame in document["frames"]]
    haystack = f"{json_text.dumps(document)} {frames}".lower()
    assert [secret for secret in secrets if secret.lower() in haystack] == []


async def test_a_camera_that_is_not_activated_answers_the_unsigned_list(capturing: CaptureBench) -> None:
    document = await capturing.captured(await capturing.simulate(activated=False, hotspot=True))
    assert read_of(document, "config/getApListWithoutAuth")["answer"]["code"] == 0
    assert read_of(document, "device/getInfo")["answer"] == {"code": 7}
    assert document["frames"][0]["payload"]["network"] == "AP"


async def test_without_credentials_the_unsigned_calls_remain(capturing: CaptureBench) -> None:
    camera = await capturing.simulate(activated=False)
    cameras = capturing.bench.calls(credentials=("", ""))
    try:
        async with capturing.responding(camera):
            document = await capturing.capture(camera.sn, cameras)
    finally:
        await cameras.close()
    assert read_of(document, "config/getName") == {
        "path": "config/getName", "auth": "signed", "problem": "conflict",
    }  # fmt: skip
    assert read_of(document, "config/getApListWithoutAuth")["answer"]["code"] == 0
    assert document["frames"]


# What goes wrong is told


async def test_failures_are_part_of_the_capture(capturing: CaptureBench) -> None:
    camera = await capturing.simulate()
    camera.faults.close_after_answer, camera.faults.send_date = True, False
    camera.faults.add("drop", path="config/getIrMode", times=None)
    camera.faults.add("silent", path="config/getName", times=None)
    camera.faults.add("html", path="config/getRotation", times=None)
    camera.faults.add("status", path="config/getLedSwitch", status=500, code=1, times=None)
    camera.faults.add("refuse", path="config/getMemoryCardStatus", code=220, times=None)
    cameras = capturing.bench.calls(CameraSettings(timeout_s=0.5))
    try:
        async with capturing.responding(camera):
            document = await capturing.capture(camera.sn, cameras)
        async with capturing.replaying(document) as replayed:
            again = await capturing.capture(replayed.sn, cameras)
    finally:
        await cameras.close()

    assert read_of(document, "config/getIrMode")["problem"] == "camera_unreachable"
    assert read_of(document, "config/getName")["problem"] == "timeout"
    html, failed, refused = (
        read_of(document, f"config/{action}") for action in ("getRotation", "getLedSwitch", "getMemoryCardStatus")
    )
    assert (html["status"], html["answer"]) == (200, None)
    assert (failed["status"], failed["answer"]) == (500, {"code": 1, "msg": "refused"})
    assert refused["answer"] == {"code": 220, "msg": "refused"}
    assert [refused[name] for name in ("date", "keep_alive", "kept_connection")] == [False, False, False]
    assert repeatable_part(again) == repeatable_part(document)


async def test_a_camera_that_is_not_there_or_not_ours_is_not_captured(capturing: CaptureBench) -> None:
    with pytest.raises(NotFound):
        await capturing.capture("FS101D8BS99999")
    found = await capturing.bench.simulate()
    capturing.bench.record_device(found)
    with pytest.raises(NotManaged):
        await capturing.capture(found.sn)
    gone = await capturing.simulate("FM010")
    await gone.stop()
    with pytest.raises(CameraUnreachable):
        await capturing.capture(gone.sn)
    gone.faults.changed_certificate = True
    await gone.start()
    with pytest.raises(CameraUntrusted):
        await capturing.capture(gone.sn)


# Frames


async def scripted(
    capturing: CaptureBench, host: str, answers: Callable[[bytes], list[bytes]]
) -> asyncio.DatagramTransport:
    """Start a device that answers each request frame with what it is told to."""

    class Device(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            for answer in answers(data):
                self.transport.sendto(answer, addr)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Device, local_addr=(host, capturing.udp_port))
    return transport


async def test_frames_come_as_they_are_once_each(capturing: CaptureBench) -> None:
    whole = encode_announcement(Announcement(sn="FS101D8BS00106", model="FS1"))
    flawed = whole[:-1] + bytes([whole[-1] ^ 1])
    device = await scripted(capturing, "127.77.0.5", lambda request: [flawed, whole, whole, request])
    try:
        frames = await capturing.discovery.collect_raw_frames("127.77.0.5:443", timeout_s=3)
    finally:
        device.abort()
    assert frames == [RawFrame(data, "127.77.0.5", capturing.udp_port, broadcast=False) for data in (flawed, whole)]


async def test_a_silent_host_is_waited_for_no_longer_than_told(capturing: CaptureBench) -> None:
    assert await capturing.discovery.collect_raw_frames("127.77.0.6", timeout_s=0.3) == []


async def test_frames_that_cannot_be_read_are_told_without_their_content(capturing: CaptureBench) -> None:
    camera = await capturing.simulate(host="127.77.0.5")
    whole = encode_frame(2, {"deviceid": camera.sn, "net_name": SECRET_SSID, "rssi": -61})
    flawed = whole[:-1] + bytes([whole[-1] ^ 1])
    device = await scripted(capturing, "127.77.0.5", lambda _: [b"Chez Margot 5", flawed, whole])
    try:
        document = await capturing.capture(camera.sn)
    finally:
        device.abort()
    alien, bad, good = document["frames"]
    assert alien == {
        "asked": "host", "answered": "host", "source_port": 10001,
        "bytes": 13, "header": None, "problem": "another header or version",
    }  # fmt: skip
    assert bad == {
        "asked": "host", "answered": "host", "source_port": 10001,
        "bytes": len(flawed), "header": flawed[:8].hex(), "problem": "wrong checksum",
    }  # fmt: skip
    assert good["payload"] == {"deviceid": "FS101D8BS00000", "net_name": "network-1", "rssi": -61}


# Replaying


_DATE = re.compile(b"Date: ".hex() + "(?:[0-9a-f]{2}){29}")
"""The time in a raw response, which is another one at each run."""


@pytest.mark.parametrize("model", MODELS)
async def test_the_kept_capture_of_a_simulated_camera_is_what_it_answers_today(
    capturing: CaptureBench, model: str
) -> None:
    document = await capturing.captured(await capturing.simulate(model))
    assert captures.make_file_name(document) == f"{model}-1.2.6.json"
    if os.environ.get("WRITE_CAPTURES"):
        await asyncio.to_thread((KEPT_CAPTURES / f"{model}-1.2.6.json").write_text, as_text(document), encoding="utf-8")
        return
    kept = json_text.loads(KEPT_FILES[f"{model}-1.2.6"])
    before, today = (_DATE.sub("", as_text(one)) for one in ({**kept, "gateway": document["gateway"]}, document))
    assert before == today, "run bash packaging/generate.sh"


@pytest.mark.parametrize("stem", KEPT_FILES)
async def test_a_replayed_camera_gives_the_same_capture_again(capturing: CaptureBench, stem: str) -> None:
    kept = json_text.loads(KEPT_FILES[stem])
    assert captures.make_file_name(kept) == f"{stem}.json"
    async with capturing.replaying(kept) as camera:
        again = await capturing.capture(camera.sn)
    read_then = [read["path"] for read in kept["reads"]]
    added = [read for read in again["reads"] if read["path"] not in read_then]
    assert all(read["status"] == 404 for read in added), "endpoints that were declared after the capture was made"
    again["reads"] = [read for read in again["reads"] if read["path"] in read_then]
    assert as_text(repeatable_part(again)) == as_text(repeatable_part(kept))


@pytest.mark.parametrize("stem", KEPT_FILES)
async def test_the_gateway_understands_a_kept_capture(capturing: CaptureBench, stem: str) -> None:
    kept = json_text.loads(KEPT_FILES[stem])
    bench = capturing.bench
    async with capturing.replaying(kept) as camera:
        if camera.response_frames(broadcast=False):
            device = await capturing.discovery.identify(camera.address)
            assert device is not None
            assert (device.sn, device.model) == (kept["sn"], kept["model"])
        for read in kept["reads"]:
            endpoint = CATALOGUE.get("camera", read["path"])
            if read.get("status") == 200 and read["answer"] and read["answer"]["code"] == 0:
                answer = await bench.cameras.call(camera.sn, endpoint.encode({}))
                assert answer.document == read["answer"]
                assert undeclared(answer.data, endpoint.response_fields) == []
    record = bench.registry.get(camera.sn)
    assert (record.model, record.activation) == (kept["model"], kept["activation"])


@pytest.mark.parametrize("stem", KEPT_FILES)
def test_the_codes_of_a_kept_capture_are_declared(stem: str) -> None:
    for read in json_text.loads(KEPT_FILES[stem])["reads"]:
        if read.get("answer"):
            known = {listed.code for listed in CATALOGUE.get("camera", read["path"]).return_codes}
            assert read["answer"]["code"] in known, read["path"]


@pytest.mark.parametrize("stem", KEPT_FILES)
def test_the_frames_of_a_kept_capture_are_the_vendors(stem: str) -> None:
    kept = json_text.loads(KEPT_FILES[stem])
    told = [parse_announcement(bytes.fromhex(frame["frame"])) for frame in kept["frames"] if "frame" in frame]
    assert {announcement.sn for announcement in told if announcement} == {kept["sn"]}


async def test_unknown_paths_and_formats_are_not_replayed(capturing: CaptureBench) -> None:
    kept = json_text.loads(KEPT_FILES["FM020-1.2.6"])
    with pytest.raises(ValueError, match="format 2"):
        ReplayedCamera({**kept, "format": 2})
    async with capturing.replaying(kept) as camera:
        with pytest.raises(CameraUnreachable, match="404"):
            await capturing.bench.cameras.call(camera.sn, CATALOGUE.get("camera", "device/reboot").encode({}))


def undeclared(data: Any, declared: tuple[ResponseField, ...], path: str = "") -> list[str]:
    """Return what an answer holds that the catalogue does not say, or says otherwise."""
    kinds = {"string": str, "int": int, "object": dict, "array": list}
    if isinstance(data, dict):
        inside = [(f"{path}.{name}".strip("."), value) for name, value in data.items()]
    else:
        inside = [(f"{path}[]", value) for value in data]
    known = {one.path: one.type for one in declared}
    wrong = []
    for where, value in inside:
        is_row = where.endswith("[]") and isinstance(value, dict)
        if not is_row and (where not in known or not isinstance(value, kinds[known[where]])):
            wrong.append(where)
        if isinstance(value, dict | list):
            wrong += undeclared(value, declared, where)
    return wrong
