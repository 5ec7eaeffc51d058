"""Scans: shared, queued, repeated, and never stopped by one method's failure."""

import asyncio
import ssl

import pytest

from gateway.discovery.device import DiscoveredDevice
from gateway.discovery.discovery import Discovery
from gateway.runtime.supervisor import Supervisor
from gateway.settings import DiscoverySettings
from tests.discovery.conftest import Make
from tests.discovery.device import Device, https


async def test_concurrent_calls_with_the_same_methods_share_a_scan(discovery: Make, udp_port: int) -> None:
    searching = discovery(methods=["broadcast"])
    async with Device("127.0.0.21", port=udp_port) as device:
        results = await asyncio.gather(*(searching.scan(timeout_s=0.2) for _ in range(3)))
    assert results[0] is results[1] is results[2]
    assert len(device.requests) == 1


async def test_a_scan_with_other_methods_waits_for_the_running_one(discovery: Make) -> None:
    searching = discovery(methods=["broadcast"])
    short, long, none = await asyncio.gather(
        searching.scan(timeout_s=0.1),
        searching.scan(timeout_s=0.3),
        searching.scan(timeout_s=0.1, methods=[]),
    )
    assert list(short.methods) == list(long.methods) == ["broadcast"]
    assert short is not long
    assert none.methods == {}


async def test_a_cancelled_caller_does_not_end_the_scan_for_others(discovery: Make, udp_port: int) -> None:
    searching = discovery(methods=["broadcast"])
    async with Device("127.0.0.21", port=udp_port):
        leaving = asyncio.create_task(searching.scan(timeout_s=0.3))
        staying = asyncio.create_task(searching.scan(timeout_s=0.3))
        await asyncio.sleep(0.05)
        leaving.cancel()
        assert len((await staying).devices) == 1


async def test_a_missing_interface_is_a_failure_of_the_service_which_scans_the_others(
    udp_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    reported: asyncio.Queue[DiscoveredDevice] = asyncio.Queue()
    supervisor = Supervisor(initial_delay_s=0.01)
    settings = DiscoverySettings(
        methods=["sweep"],
        interfaces=["gone0", "lo"],
        interval_s=0.05,
        broadcast_port=udp_port,
        addresses=["127.0.0.21"],
    )
    server = await https("127.0.0.21", 0)
    port = server.sockets[0].getsockname()[1]
    discovery = Discovery(settings, supervisor, camera_port=port, on_device=reported.put_nowait)
    async with server, Device("127.0.0.21", port=udp_port):
        await discovery.start()
        assert [(await reported.get()).sn for _ in range(3)] == ["C201D0000001"] * 3
        [report] = [report for report in supervisor.reports() if report.kind == "service"]
        await discovery.close()
    assert report.state == "failing"
    assert "there is no interface 'gone0'" in (report.last_failure or "")
    assert len([message for message in caplog.messages if "gone0" in message]) == 1


async def test_a_method_that_leaves_something_out_is_logged_once_and_fails_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    supervisor = Supervisor(initial_delay_s=0.01)
    scans = asyncio.Semaphore(0)
    settings = DiscoverySettings(methods=[], interfaces=["lo"], interval_s=0.01, addresses=["10.1.2.3"])
    discovery = Discovery(settings, supervisor, camera_port=443, on_device=lambda _: None, on_scan_end=scans.release)
    await discovery.start()
    for _ in range(3):
        await scans.acquire()
    assert {report.state for report in supervisor.reports()} == {"running"}
    await discovery.close()
    assert len([message for message in caplog.messages if "lies outside of the interfaces" in message]) == 1


async def test_without_an_interval_no_scan_is_repeated(discovery: Make, udp_port: int) -> None:
    async with Device("127.0.0.21", port=udp_port) as device:
        searching = discovery(methods=["broadcast"])
        await searching.start()
        await asyncio.sleep(0.1)
        assert device.requests == []


async def test_a_camera_is_listed_once_for_each_method_that_finds_it(
    discovery: Make, udp_port: int, tcp_port: int
) -> None:
    async with await https("127.0.0.21", tcp_port), Device("127.0.0.21", port=udp_port):
        result = await discovery(known=("127.0.0.21",)).scan(timeout_s=0.5)
    assert {(s.sn, s.found_by) for s in result.devices} == {("C201D0000001", "broadcast"), ("C201D0000001", "sweep")}
    assert {name: method.found for name, method in result.methods.items()} == {"broadcast": 1, "mdns": 0, "sweep": 1}


async def test_a_method_that_fails_unexpectedly_does_not_stop_the_others(
    udp_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Exception):
        pass

    def known() -> list[str]:
        raise Broken("the registry")

    settings = DiscoverySettings(methods=["broadcast", "sweep"], interfaces=["lo"], broadcast_port=udp_port)
    discovery = Discovery(settings, Supervisor(), camera_port=443, on_device=lambda _: None, known_addresses=known)
    async with Device("127.0.0.21", port=udp_port):
        for _ in range(2):
            result = await discovery.scan(timeout_s=1)
    assert result.methods["broadcast"].found == 1
    assert "the registry" in (result.methods["sweep"].error or "")
    assert result.failures == ["sweep: failed unexpectedly: Broken('the registry')"]
    assert [record.exc_info is not None for record in caplog.records] == [True], "its traceback is logged once"


async def test_without_its_interface_nothing_is_sent_at_all(discovery: Make, tcp_port: int) -> None:
    async with await https("127.0.0.21", tcp_port) as server:
        result = await discovery(interfaces=["gone0"], addresses=["127.0.0.21"]).scan(timeout_s=0.3)
        assert server.sockets
    assert result.devices == result.unidentified == []
    for name in ("broadcast", "mdns", "sweep"):
        assert "there is no interface 'gone0'" in (result.methods[name].error or "")
    assert "lies outside of the interfaces" in (result.methods["address"].error or "")


async def test_the_callers_tls_context_is_the_one_that_is_used(udp_port: int) -> None:
    server = await https("127.0.0.21", 0)
    port = server.sockets[0].getsockname()[1]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # it verifies, so the vendor's certificate does not pass
    context.check_hostname = False
    settings = DiscoverySettings(methods=[], interfaces=["lo"], broadcast_port=udp_port, addresses=["127.0.0.21"])
    async with server:
        discovery = Discovery(settings, Supervisor(), camera_port=port, on_device=lambda _: None, tls=context)
        assert (await discovery.scan(timeout_s=0.6)).unidentified == []
