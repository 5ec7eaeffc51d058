"""A gateway whose clock is wrong still reaches the cloud, and is not fooled about the time."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway import RELEASED_AT
from gateway.cloud.client import CloudClient
from gateway.errors import CloudRejectedCredentials, CloudUnreachable
from gateway.protocol.catalogue import CATALOGUE
from gateway.runtime.clock import PeerClock
from gateway.simulator.cloud import SimulatedCloud
from tests.system_clock import SystemClock, needs_faketime

MakeClient = Callable[..., CloudClient]
CALL = CATALOGUE.get("cloud", "passengerFlow/stat/today/getLatest").encode({"shop_id": "10096"})
DAY = 86400.0
TRUE = datetime.fromtimestamp(RELEASED_AT, UTC) + timedelta(days=100)
TIME_LIMIT_S = 300
"""No test runs longer, so no clock is further from what it should be."""


def clock_at(moment: datetime) -> PeerClock:
    """Return a clock that has this time now."""
    clock = PeerClock()
    clock.set(moment.timestamp())
    return clock


@pytest.fixture
async def simulated() -> AsyncIterator[SimulatedCloud]:
    """Run a cloud that has the true time, whatever this machine's clock says."""
    cloud = SimulatedCloud(clock=clock_at(TRUE).now)
    await cloud.start()
    yield cloud
    await cloud.stop()


@pytest.fixture
def true_clock() -> PeerClock:
    """Return the clock of a client whose machine has the true time, and which no peer has corrected yet."""
    return PeerClock(clock_at(TRUE).now)


@pytest.fixture
def slow_clock() -> PeerClock:
    """Return the clock of a client whose machine is three weeks late: the cloud's certificate seems not yet valid."""
    return PeerClock(clock_at(TRUE - timedelta(days=21)).now)


async def test_a_stale_signature_is_replaced_by_one_with_the_clouds_time(
    simulated: SimulatedCloud, make_client: MakeClient, true_clock: PeerClock
) -> None:
    simulated.faults.clock_offset_s = 21 * DAY
    client = make_client(simulated, clock=true_clock)
    assert (await client.call(CALL)).code == 0
    assert client.clock.now() == pytest.approx(TRUE.timestamp() + 21 * DAY, abs=TIME_LIMIT_S)
    assert len(simulated.request_paths) == 2
    await client.call(CALL)
    assert len(simulated.request_paths) == 3, "what was learned stays"


async def test_concurrent_calls_all_use_the_clouds_time(
    simulated: SimulatedCloud, make_client: MakeClient, true_clock: PeerClock
) -> None:
    simulated.faults.clock_offset_s = 21 * DAY
    client = make_client(simulated, clock=true_clock)
    answers = await asyncio.gather(*(client.call(CALL) for _ in range(4)))
    assert [answer.code for answer in answers] == [0] * 4


async def test_a_cloud_without_date_cannot_correct_the_clock(
    simulated: SimulatedCloud, make_client: MakeClient, true_clock: PeerClock
) -> None:
    simulated.faults.clock_offset_s = 21 * DAY
    simulated.faults.send_date = False
    with pytest.raises(CloudRejectedCredentials, match="5091"):
        await make_client(simulated, clock=true_clock).call(CALL)


async def test_a_certificate_that_seems_not_yet_valid(
    simulated: SimulatedCloud, make_client: MakeClient, slow_clock: PeerClock
) -> None:
    client = make_client(simulated, clock=slow_clock)
    assert (await client.call(CALL)).code == 0
    assert client.clock.now() == pytest.approx(TRUE.timestamp(), abs=TIME_LIMIT_S)
    assert [request.path for request in simulated.accepted] == [CALL.endpoint.path]


async def test_a_certificate_that_has_truly_expired(make_client: MakeClient, true_clock: PeerClock) -> None:
    cloud = SimulatedCloud(
        clock=clock_at(TRUE).now, certificate_validity=(TRUE - timedelta(days=60), TRUE - timedelta(days=1))
    )
    await cloud.start()
    try:
        with pytest.raises(CloudUnreachable, match="not valid by the cloud's own clock"):
            await make_client(cloud, clock=true_clock).call(CALL)
        assert cloud.accepted == []
    finally:
        await cloud.stop()


async def test_a_time_before_the_release_is_not_accepted(make_client: MakeClient, true_clock: PeerClock) -> None:
    """An attacker with an old certificate and an old time is refused."""
    cloud = SimulatedCloud(clock=lambda: RELEASED_AT - 30 * DAY)
    await cloud.start()
    try:
        with pytest.raises(CloudUnreachable, match="no plausible time"):
            await make_client(cloud, clock=true_clock).call(CALL)
        assert cloud.accepted == []
    finally:
        await cloud.stop()


async def test_a_server_that_is_not_trusted_cannot_set_the_time(
    simulated: SimulatedCloud, make_client: MakeClient, slow_clock: PeerClock
) -> None:
    client = make_client(simulated, clock=slow_clock)
    simulated.faults.changed_certificate = True
    with pytest.raises(CloudUnreachable, match="not trusted"):
        await client.call(CALL)
    assert not client.clock.known
    assert simulated.request_paths == []


async def test_no_secret_is_sent_while_the_time_is_learned(
    simulated: SimulatedCloud, make_client: MakeClient, slow_clock: PeerClock
) -> None:
    simulated.faults.send_date = False
    with pytest.raises(CloudUnreachable):
        await make_client(simulated, clock=slow_clock).call(CALL)
    assert CALL.endpoint.path not in simulated.request_paths


_PROCESS = """
import asyncio, json, sys
from gateway.runtime.clock import PeerClock
from gateway.cloud.client import CloudClient
from gateway.protocol.catalogue import CATALOGUE
from gateway.settings import CloudSettings

async def main() -> None:
    cloud = CloudClient(CloudSettings.model_validate(json.loads(sys.argv[1])), PeerClock())
    answer = await cloud.call(CATALOGUE.get("cloud", sys.argv[2]).encode({"shop_id": "10096"}))
    await cloud.close()
    print(json.dumps({"code": answer.code, "offset_s": cloud.clock.offset_s}))

asyncio.run(main())
"""


@needs_faketime
@pytest.mark.parametrize(
    "machine", [datetime(1970, 1, 1, 0, 10, tzinfo=UTC), TRUE - timedelta(days=21), TRUE + timedelta(days=3 * 365)]
)
async def test_a_process_whose_system_clock_is_wrong(
    simulated: SimulatedCloud, tmp_path: Path, machine: datetime
) -> None:
    """The whole process lives at another time: at 1970, three weeks ago, three years ahead."""
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text(simulated.ca_pem)
    app_id, secret_key = next(iter(simulated.accounts.items()))
    settings = json.dumps(
        {"base_url": simulated.base_url, "ca_file": str(ca_file), "app_id": app_id, "secret_key": secret_key}
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _PROCESS, settings, CALL.endpoint.path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **SystemClock(tmp_path / "clock", machine).environment},
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    result = json.loads(output)
    assert result["code"] == 0
    assert result["offset_s"] == pytest.approx((TRUE - machine).total_seconds(), abs=TIME_LIMIT_S)
