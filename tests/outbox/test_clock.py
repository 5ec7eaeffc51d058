"""Clock jumps, from 1970 to 2026 and back, at run time and between runs: nothing is pruned, reordered or expired."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.outbox.cloud import ObservedCloud, Version
from tests.outbox.day import drained
from tests.outbox.judgement import judge
from tests.outbox.process import GatewayProcess
from tests.outbox.test_faults import hand_over
from tests.system_clock import SystemClock, needs_faketime


def new_year(year: int) -> datetime:
    return datetime(year, 1, 2, tzinfo=UTC)


@pytest.mark.slow
@needs_faketime
async def test_jumps_of_the_system_clock_lose_nothing(
    cloud: ObservedCloud, gateway: GatewayProcess, tmp_path: Path
) -> None:
    clock = SystemClock(tmp_path / "clock", new_year(1970))
    gateway.environment = clock.environment
    [token] = await gateway.tokens("till")
    await gateway.start()
    acknowledged = [Version("first", 1)]
    async with gateway.caller(token) as session:
        status, first = await hand_over(session, acknowledged[0], wait=10, key="the first")
        assert status == 200, first
        await cloud.fall()
        for number, year in enumerate((1970, 2026, 2050, 1999, 2026)):
            clock.jump_to(new_year(year))
            for order_no in ("same", f"jump-{number}"):
                acknowledged.append(Version(order_no, number + 1))
                status, answer = await hand_over(session, acknowledged[-1])
                assert status == 202, answer
            await asyncio.sleep(0.3)
    for year in (1970, 2050):
        await gateway.stop()
        clock.jump_to(new_year(year))
        await gateway.start()
        clock.jump_to(new_year(2026))
    async with gateway.caller(token) as session:
        async with session.get("/api/v1/outbox", params={"limit": "50"}) as response:
            result_list = json.loads(await response.read())["items"]
        # One may just be on its way to the cloud that is away.
        items = [item for item in result_list if item["state"] in ("waiting", "sending")]
        assert len(items) == 10
        assert [item["sequence"] for item in items] == sorted(item["sequence"] for item in items)
        await cloud.rise()
        await drained(gateway)
        status, again = await hand_over(session, acknowledged[0], wait=10, key="the first")
        assert status == 200
        assert again == first, "a repeat gets the fate of the first, whatever the clock did since"
        async with session.get("/api/v1/outbox", params={"state": "delivered", "limit": "50"}) as response:
            assert len(json.loads(await response.read())["items"]) == 11, "delivered ones are kept by running time"
    found = judge(cloud, acknowledged, [])
    found.check()
    assert not found.reasons
