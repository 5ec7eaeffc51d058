"""A gateway whose clock is wrong still reaches the cloud, and is not fooled about the time."""

import asyncio
import json
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway import RELEASED_AT
from gateway.cloud.client import Cloud
from gateway.errors import CloudRejectedCredentials, CloudUnreachable
from gateway.protocol.catalogue import CATALOGUE
from gateway.simulator.cloud import SimulatedCloud

MakeCloud = Callable[..., Cloud]
CALL = CATALOGUE.get("cloud", "passengerFlow/stat/today/getLatest").encode({"shop_id": "10096"})
DAY = 86400.0


@pytest.fixture
async def ahead() -> AsyncIterator[SimulatedCloud]:
    """Run a cloud three weeks ahead of this machine, with a certificate that seems not yet valid here."""
    now = datetime.now(UTC)
    cloud = SimulatedCloud(
        clock=lambda: time.time() + 21 * DAY,
        certificate_validity=(now + timedelta(days=14), now + timedelta(days=60)),
    )
    await cloud.start()
    yield cloud
    await cloud.stop()


async def test_a_stale_signature_is_made_anew_with_the_clouds_time(
    simulated: SimulatedCloud, make_client: MakeCloud
) -> None:
    simulated.faults.clock_offset_s = 21 * DAY
    client = make_client(simulated)
    assert (await client.call(CALL)).code == 0
    assert client.clock.offset_s == pytest.approx(21 * DAY, abs=5)
    assert len(simulated.arrived) == 2
    await client.call(CALL)
    assert len(simulated.arrived) == 3, "what was learned stays"


async def test_calls_under_way_together_all_take_the_clouds_time(
    simulated: SimulatedCloud, make_client: MakeCloud
) -> None:
    simulated.faults.clock_offset_s = 21 * DAY
    client = make_client(simulated)
    answers = await asyncio.gather(*(client.call(CALL) for _ in range(4)))
    assert [answer.code for answer in answers] == [0] * 4


async def test_a_cloud_without_date_cannot_correct_the_clock(simulated: SimulatedCloud, make_client: MakeCloud) -> None:
    simulated.faults.clock_offset_s = 21 * DAY
    simulated.faults.send_date = False
    with pytest.raises(CloudRejectedCredentials, match="5091"):
        await make_client(simulated).call(CALL)


async def test_a_certificate_that_seems_not_yet_valid(ahead: SimulatedCloud, make_client: MakeCloud) -> None:
    client = make_client(ahead)
    assert (await client.call(CALL)).code == 0
    assert client.clock.offset_s == pytest.approx(21 * DAY, abs=5)
    assert [received.path for received in ahead.received] == [CALL.endpoint.path]


async def test_a_certificate_that_has_truly_expired(make_client: MakeCloud) -> None:
    now = datetime.now(UTC)
    cloud = SimulatedCloud(certificate_validity=(now - timedelta(days=60), now - timedelta(days=1)))
    await cloud.start()
    try:
        with pytest.raises(CloudUnreachable, match="not valid at the time"):
            await make_client(cloud).call(CALL)
        assert cloud.received == []
    finally:
        await cloud.stop()


async def test_a_time_before_the_release_is_not_believed(make_client: MakeCloud) -> None:
    """An attacker with an old certificate and an old time is refused."""
    before = datetime.fromtimestamp(RELEASED_AT, UTC)
    cloud = SimulatedCloud(
        clock=lambda: RELEASED_AT - 30 * DAY,
        certificate_validity=(before - timedelta(days=60), before - timedelta(days=10)),
    )
    await cloud.start()
    try:
        with pytest.raises(CloudUnreachable, match="believed"):
            await make_client(cloud).call(CALL)
        assert cloud.received == []
    finally:
        await cloud.stop()


async def test_a_stranger_cannot_tell_the_time(ahead: SimulatedCloud, make_client: MakeCloud) -> None:
    client = make_client(ahead)
    ahead.faults.changed_certificate = True
    with pytest.raises(CloudUnreachable, match="not trusted"):
        await client.call(CALL)
    assert not client.clock.known
    assert ahead.arrived == []


async def test_no_secret_travels_while_the_time_is_asked(ahead: SimulatedCloud, make_client: MakeCloud) -> None:
    ahead.faults.send_date = False
    with pytest.raises(CloudUnreachable):
        await make_client(ahead).call(CALL)
    assert CALL.endpoint.path not in ahead.arrived


_PROCESS = """
import asyncio, json, sys, time
from gateway.runtime.clock import PeerClock
from gateway.cloud.client import Cloud
from gateway.protocol.catalogue import CATALOGUE
from gateway.settings import CloudSettings

async def main() -> None:
    cloud = Cloud(CloudSettings.model_validate(json.loads(sys.argv[1])), PeerClock())
    answer = await cloud.call(CATALOGUE.get("cloud", sys.argv[2]).encode({"shop_id": "10096"}))
    await cloud.close()
    print(json.dumps({"code": answer.code, "year": time.gmtime().tm_year, "offset_s": cloud.clock.offset_s}))

asyncio.run(main())
"""


@pytest.mark.skipif(shutil.which("faketime") is None, reason="needs faketime (Debian: faketime)")
@pytest.mark.parametrize(("begins", "year"), [("1970-01-01 00:10:00", 1970), ("-21 days", None), ("+3 years", None)])
async def test_a_process_whose_system_clock_is_wrong(
    simulated: SimulatedCloud, tmp_path: Path, begins: str, year: int | None
) -> None:
    """The whole process lives at another time: at 1970, three weeks ago, three years ahead."""
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text(simulated.ca_pem)
    app_id, secret_key = next(iter(simulated.accounts.items()))
    settings = json.dumps(
        {"base_url": simulated.base_url, "ca_file": str(ca_file), "app_id": app_id, "secret_key": secret_key}
    )
    command = ["faketime", "--exclude-monotonic", begins, sys.executable, "-c", _PROCESS, settings, CALL.endpoint.path]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, errors.decode()
    result = json.loads(output)
    assert result["code"] == 0
    assert year is None or result["year"] == year
    assert abs(result["offset_s"]) > 20 * DAY
