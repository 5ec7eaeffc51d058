"""The vendor's broadcast protocol on loopback."""

import asyncio
import os
import socket

import pytest

from gateway.discovery.device import DiscoveredDevice
from gateway.discovery.scan import ScanResult
from gateway.protocol.discovery_frames import Announcement, encode_announcement
from tests.discovery.conftest import Make
from tests.discovery.device import AnswersTo, Device


async def search(discovery: Make, timeout_s: float = 0.3) -> ScanResult:
    return await discovery(methods=["broadcast"]).scan(timeout_s=timeout_s)


@pytest.mark.parametrize("answers_to", ["source", "port", "broadcast"])
async def test_a_camera_is_found_wherever_it_sends_its_answer(
    answers_to: AnswersTo, discovery: Make, udp_port: int, tcp_port: int, seen: list[DiscoveredDevice]
) -> None:
    async with Device("127.0.0.21", port=udp_port, answers_to=answers_to, network="AP"):
        result = await search(discovery)
    assert (
        result.devices
        == seen
        == [
            DiscoveredDevice(
                address=f"127.0.0.21:{tcp_port}",  # the datagram's source, not the address that the frame claims
                interface="lo",
                found_by="broadcast",
                sn="C201D0000001",
                mac="04:12:24:E3:45:12",
                model="FM020",
                name="door",
                software_version="1.2.3",
                hotspot=True,
            )
        ]
    )
    assert (result.methods["broadcast"].found, result.methods["broadcast"].error) == (1, None)
    assert result.unidentified == []


async def test_other_products_are_left_out(discovery: Make, udp_port: int, seen: list[DiscoveredDevice]) -> None:
    async with Device("127.0.0.21", model="T2s", port=udp_port), Device("127.0.0.22", model="", port=udp_port):
        assert (await search(discovery)).devices == []
    assert seen == []


async def test_requests_go_out_at_0_500_and_1000_ms_and_repeated_answers_count_once(
    discovery: Make, udp_port: int, seen: list[DiscoveredDevice]
) -> None:
    async with Device("127.0.0.21", port=udp_port) as device:
        await search(discovery, timeout_s=1.2)
    assert device.requests == ["127.0.0.1"] * 3
    assert len(seen) == 1


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"garbage",
        b"\xff\xff\x33\xff\x01\x02\xff\xff",
        encode_announcement(Announcement(sn="C201D0000009", model="FS1"))[:-1] + b"\0",
        encode_announcement(Announcement(sn="C201D0000009", model="FS1", name="x" * 1000)),
        encode_announcement(Announcement(sn="", model="FS1")),
    ],
    ids=["empty", "garbage", "cut off", "wrong checksum", "longer than the vendor's buffer", "without serial number"],
)
async def test_a_bad_frame_is_skipped(
    frame: bytes, discovery: Make, udp_port: int, seen: list[DiscoveredDevice]
) -> None:
    async with Device("127.0.0.20", port=udp_port, frame=frame), Device("127.0.0.21", port=udp_port):
        result = await search(discovery)
    assert [device.address.split(":")[0] for device in seen] == ["127.0.0.21"]
    assert result.methods["broadcast"].error is None


async def test_a_device_is_reported_while_the_scan_goes_on(discovery: Make, udp_port: int) -> None:
    reported: asyncio.Queue[DiscoveredDevice] = asyncio.Queue()
    searching_discovery = discovery(methods=["broadcast"], on_device=reported.put_nowait)
    async with Device("127.0.0.21", port=udp_port):
        searching = asyncio.create_task(searching_discovery.scan(timeout_s=600))
        assert (await reported.get()).sn == "C201D0000001"
        assert not searching.done()
    await searching_discovery.close()  # ends the scan
    with pytest.raises(asyncio.CancelledError):
        await searching


async def test_a_camera_that_comes_late_is_found(discovery: Make, udp_port: int) -> None:
    searching = asyncio.create_task(search(discovery, timeout_s=0.8))
    await asyncio.sleep(0.2)
    async with Device("127.0.0.21", port=udp_port):
        assert len((await searching).devices) == 1


async def test_a_port_kept_by_another_program_is_a_problem_and_does_not_stop_discovery(
    discovery: Make, udp_port: int
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", udp_port))  # without address reuse
        async with Device("127.0.0.21", port=udp_port):
            result = await search(discovery)
    assert [device.sn for device in result.devices] == ["C201D0000001"]
    assert result.methods["broadcast"].error == (
        f"UDP port {udp_port} is used by another program; cameras that answer to it are not found"
    )


async def test_a_missing_interface_is_a_reason_and_does_not_stop_the_others(discovery: Make, udp_port: int) -> None:
    async with Device("127.0.0.21", port=udp_port):
        result = await discovery(methods=["broadcast"], interfaces=["gone0", "lo"]).scan(timeout_s=0.3)
    assert len(result.devices) == 1
    assert "there is no interface 'gone0'; there are: " in (result.methods["broadcast"].error or "")


async def test_no_socket_is_left_open(discovery: Make) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(3):
        await search(discovery, timeout_s=0.05)
    assert sorted(os.listdir("/proc/self/fd")) == before
