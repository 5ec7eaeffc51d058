"""Whatever the cloud does wrong, what a till handed over arrives, once where that can be known, and in order."""

import json
from typing import Any

import aiohttp
import pytest

from tests.outbox.cloud import ObservedCloud, Version
from tests.outbox.day import Report, drained
from tests.outbox.judgement import judge
from tests.outbox.process import GatewayProcess
from tests.outbox.tills import order

FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "drop"},
    {"kind": "reset_before"},
    {"kind": "reset_after"},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503, "retry_after_s": 1},
    {"kind": "status", "status": 429, "retry_after_s": 1},
    {"kind": "status", "status": 401},
    {"kind": "slow", "seconds": 1.0},
    {"kind": "garbage"},
    {"kind": "html"},
    {"kind": "empty"},
)


async def hand_over(
    session: aiohttp.ClientSession, *versions: Version, wait: float | None = 0, key: str = ""
) -> tuple[int, Any]:
    headers = {} if wait is None else {"Prefer": f"wait={wait}"}
    if key:
        headers["Idempotency-Key"] = key
    body = {"order_list": [order(version) for version in versions]}
    async with session.post("/api/v1/cloud/order/update", json=body, headers=headers) as response:
        return response.status, json.loads(await response.read())


async def test_every_fault_in_turn(cloud: ObservedCloud, gateway: GatewayProcess, report: Report) -> None:
    [token] = await gateway.tokens("till")
    await gateway.start()
    acknowledged: list[Version] = []
    async with gateway.caller(token) as session:
        for number, fault in enumerate(FAULTS):
            cloud.weather.add(**fault, times=2)
            for version in (1, 2):
                orders = [Version(f"{fault['kind']}-{number}-{index}", version) for index in range(3)]
                for one in orders:
                    status, answer = await hand_over(session, one)
                    assert status in (200, 202), (fault, answer)
                    acknowledged.append(one)
            took_s = await drained(gateway)
            report(f"{fault}: delivered after {took_s:.1f} s")
    found = judge(cloud, acknowledged, gateway.deaths)
    report(f"{found}")
    found.check()
    assert set(found.reasons) <= {"a connection reset after the cloud read the request"}
    assert found.reasons.total() >= 1


async def test_a_slow_cloud_makes_nobody_wait_longer_than_he_said(
    cloud: ObservedCloud, gateway: GatewayProcess
) -> None:
    [token] = await gateway.tokens("till")
    await gateway.start()
    cloud.weather.latency_s = 4.0
    versions = [Version(f"wait {wait}", 1) for wait in (None, 0.5, 0, 30)]
    async with gateway.caller(token) as session:
        for version, wait, status in zip(versions, (None, 0.5, 0, 30), (202, 202, 202, 200), strict=True):
            got, answer = await hand_over(session, version, wait=wait)
            assert got == status, (wait, answer)
    await drained(gateway)
    judge(cloud, versions, []).check()


async def test_retry_after_is_honoured(cloud: ObservedCloud, gateway: GatewayProcess) -> None:
    [token] = await gateway.tokens("till")
    await gateway.start()
    async with gateway.caller(token) as session:
        for number, status in enumerate((503, 429)):
            cloud.weather.add("status", status=status, retry_after_s=2)
            assert (await hand_over(session, Version(str(number), 1)))[0] == 202
            await drained(gateway)
            first, second = (visit.at for visit in cloud.weather.visits[-2:])
            assert second - first >= 1.9, status


async def test_what_the_cloud_refuses_waits_for_a_person(cloud: ObservedCloud, gateway: GatewayProcess) -> None:
    [token] = await gateway.tokens("till")
    await gateway.start()
    cloud.weather.add("refuse", path="order/update", code=5047, times=5)
    async with gateway.caller(token) as session:
        status, answer = await hand_over(session, Version("bad", 1), wait=5)
        assert (status, answer["code"], answer["vendor_code"]) == (422, "vendor_refused", 5047), answer
        cloud.weather.clear()
        status, answer = await hand_over(session, Version("good", 1), wait=5)
        assert status == 200, answer
        async with session.get("/api/v1/outbox", params={"state": "refused"}) as response:
            items = (await response.json())["items"]
        assert [(item["state"], item["vendor_code"]) for item in items] == [("refused", 5047)]
        assert "order" in items[0]["vendor_meaning"]
        path = f"/api/v1/outbox/{items[0]['outbox_id']}"
        async with session.post(f"{path}/retry") as response:
            assert response.status in (200, 202), await response.text()
        await drained(gateway)
        async with session.get(path) as response:
            assert (await response.json())["state"] == "delivered"
    judge(cloud, [Version("good", 1), Version("bad", 1)], []).check()


async def test_a_batch_that_is_refused_as_a_whole_is_split(
    cloud: ObservedCloud, gateway: GatewayProcess, report: Report
) -> None:
    [token] = await gateway.tokens("till")
    await cloud.fall()
    await gateway.start()
    orders = [Version(str(number), 1) for number in range(40)]
    async with gateway.caller(token) as session:
        for version in orders:
            assert (await hand_over(session, version))[0] == 202
        cloud.weather.add("refuse", path="order/update", code=5047, times=3)
        await cloud.rise()
        await drained(gateway)
        async with session.get("/api/v1/outbox", params={"state": "refused"}) as response:
            refused = [item["parameters"] for item in (await response.json())["items"]]
    request_paths = {version for one in cloud.deliveries for version in one.orders}
    report(f"{len(request_paths)} of 40 arrived in {len(cloud.deliveries)} calls, refused: {len(refused)}")
    # Three refusals can at most be the fate of three single orders; every other one arrives.
    assert len(request_paths) + len(refused) == 40
    assert len(refused) <= 2, "one at least refused many together, which were sent again in parts"
    judge(cloud, request_paths, []).check()


async def test_wrong_credentials_keep_the_queue(cloud: ObservedCloud, gateway: GatewayProcess) -> None:
    [token] = await gateway.tokens("till")
    await gateway.start()
    app_id, right = next(iter(cloud.simulated.accounts.items()))
    cloud.simulated.accounts[app_id] = "changed"
    async with gateway.caller(token) as session:
        for number in range(3):
            status, answer = await hand_over(session, Version(str(number), 1), wait=1)
            assert status == 202, answer
        assert cloud.deliveries == []
        cloud.simulated.accounts[app_id] = right
        await drained(gateway)
    judge(cloud, [Version(str(number), 1) for number in range(3)], []).check()
    assert "5090" in gateway.log
    assert right not in gateway.log


@pytest.mark.parametrize("offset_s", [21 * 86400.0, -21 * 86400.0])
async def test_a_cloud_with_another_time(cloud: ObservedCloud, gateway: GatewayProcess, offset_s: float) -> None:
    [token] = await gateway.tokens("till")
    await gateway.start()
    async with gateway.caller(token) as session:
        assert (await hand_over(session, Version("before", 1), wait=5))[0] == 200
        cloud.weather.clock_offset_s = offset_s
        assert (await hand_over(session, Version("after", 1), wait=5))[0] == 200
        await drained(gateway)
    judge(cloud, [Version("before", 1), Version("after", 1)], []).check()


@pytest.mark.slow
async def test_a_cloud_that_never_answers(cloud: ObservedCloud, gateway: GatewayProcess) -> None:
    """What was read and not answered may have taken effect: it is sent again, after what came before it."""
    [token] = await gateway.tokens("till")
    await gateway.start()
    cloud.weather.add("silent")
    async with gateway.caller(token) as session:
        for number in (1, 2, 3):
            assert (await hand_over(session, Version("same", number)))[0] == 202
        await drained(gateway)
    judge(cloud, [Version("same", number) for number in (1, 2, 3)], []).check()
