"""A full disk, on a small file system of its own: nobody is promised what cannot be kept, and it recovers."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.outbox.cloud import ObservedCloud, Version
from tests.outbox.day import Report, end_of_day, happens, tills_at_work
from tests.outbox.judgement import judge
from tests.outbox.process import GatewayProcess
from tests.outbox.test_faults import hand_over

SIZE_MIB = 96


def mounted(image: Path, folder: Path) -> str | None:
    """Mount a new ext4 file system at the folder; return why that cannot be done, or None."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "mounting a small file system needs root on Linux"
    with image.open("wb") as file:
        file.truncate(SIZE_MIB * 1024 * 1024)
    folder.mkdir(parents=True)
    for command in (["mkfs.ext4", "-q", "-F", "-m", "0", str(image)], ["mount", "-o", "loop", str(image), str(folder)]):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return f"needs {command[0]}"
        if done.returncode != 0:
            return f"{command[0]} failed: {done.stderr.strip()}"
    return None


@pytest.fixture
def small_disk(gateway: GatewayProcess, tmp_path: Path) -> Iterator[Path]:
    folder = gateway.state
    reason = mounted(tmp_path / "disk.img", folder)
    if reason is not None:
        pytest.skip(reason)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_full_disk_refuses_and_recovers(
    cloud: ObservedCloud, gateway: GatewayProcess, small_disk: Path, report: Report
) -> None:
    await cloud.fall()
    async with tills_at_work(gateway, pause_s=0, text="x" * 100_000) as shift:
        await gateway.start()
        await happens(lambda: shift.full >= 50)
        promised = len(shift.acknowledged)
        async with gateway.caller() as owner:
            for path in ("/healthz", "/api/v1/status"):
                async with owner.get(path) as response:
                    assert response.status == 200, "the rest of the gateway goes on"
        left = os.statvfs(small_disk)
        report(f"{promised} orders until it was full, {left.f_bavail * left.f_frsize >> 20} MiB left for the rest")
        assert left.f_bavail > 0, "some room is left for the rest"
        await gateway.kill()
        await gateway.start()
        await cloud.rise()
        await happens(lambda: len(shift.acknowledged) >= promised + 100)
    await end_of_day(gateway, cloud)
    found = judge(cloud, shift.acknowledged, gateway.deaths)
    report(f"{shift.summary()}; {found}")
    found.check()


@pytest.mark.slow
async def test_a_disk_that_others_fill(
    cloud: ObservedCloud, gateway: GatewayProcess, small_disk: Path, report: Report
) -> None:
    """Not even one block is left: orders are refused, nothing that was acknowledged is lost, no restart is needed."""
    [token] = await gateway.tokens("till")
    await cloud.fall()
    await gateway.start()
    acknowledged: list[Version] = []
    refused = 0
    async with gateway.caller(token) as session:
        with (small_disk / "somebody else's").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(65536))
        with (small_disk / "the last blocks").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(512))
        for number in range(60):
            status, answer = await hand_over(session, Version(str(number), 1))
            assert status in (202, 507), answer
            if status == 202:
                acknowledged.append(Version(str(number), 1))
            else:
                assert answer["code"] == "outbox_full"
                refused += 1
        assert refused > 0
        (small_disk / "somebody else's").unlink()
        status, answer = await hand_over(session, Version("again", 1))
        assert status == 202, answer
        acknowledged.append(Version("again", 1))
    await end_of_day(gateway, cloud)
    found = judge(cloud, acknowledged, [])
    report(f"{refused} of 60 refused; {found}")
    found.check()
    assert found.request_paths == len(acknowledged), "what was refused was not sent"
