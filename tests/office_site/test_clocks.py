"""Head offices whose machines have wrong clocks: times of the servers count, and those of one chain agree."""

import asyncio
import contextlib
import json
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from nats.aio.client import Client

from gateway.simulator.ports import find_free_port
from tests.fleet.cluster import HeadOffice
from tests.forking import start_program
from tests.office_site.chain import Visitor, send_event
from tests.system_clock import SystemClock, needs_faketime


@contextlib.asynccontextmanager
async def serve(office: HeadOffice, clock: SystemClock, folder: Path) -> AsyncIterator[str]:
    """Serve the head office once more, in a process whose clock is moved; yield its address."""
    shutil.copytree(office.chain.path, folder / "chain", ignore=shutil.ignore_patterns("servers"))
    plan, log = folder / "chain" / "office.toml", folder / "log"
    plan.write_text(plan.read_text().replace(str(office.chain.plan.join_address), f"127.0.0.1:{find_free_port()}"))
    words = ("--json", "office", "serve", "--folder", str(folder / "chain"), "--port", "0")
    with log.open("wb") as errors:
        process = await start_program(
            "gateway", *words, environment=clock.environment, stdout=subprocess.PIPE, stderr=errors
        )
    try:
        assert process.stdout is not None
        line = await process.stdout.readline()
        assert line, log.read_text()
        yield json.loads(line)["urls"][0]
    finally:
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0, log.read_text()


@needs_faketime
@pytest.mark.slow
async def test_sessions_and_ages_go_by_the_clock_of_the_servers(
    office: HeadOffice, shops: dict[str, Client], visitor: Visitor, tmp_path: Path
) -> None:
    """An office whose clock is ahead takes nobody's session away, and no shop for away since then; nor if it jumps."""
    await visitor.sign_in()
    token = await visitor.site.view.access.create_token("prometheus", "view")
    async with office.client("munich-1"):
        pass
    clock = SystemClock(tmp_path / "clock", datetime.now(UTC) + timedelta(days=40))
    async with serve(office, clock, tmp_path) as url:
        visitor.url, url = url, visitor.url
        try:
            response, _ = await visitor.get("access")
            assert response.status == 200
            _, metrics = await visitor.call("GET", "/metrics", token)
            [away] = [line for line in metrics.splitlines() if line.startswith("sunmi_office_away_longest_seconds ")]
            assert 0 <= float(away.split()[1]) < 3600
            clock.jump_to(datetime.now(UTC) - timedelta(days=400))
            await send_event(shops["hamburg-1"], "hamburg-1", 1, "clock.jumped")
            while "clock.jumped" not in (await visitor.get("events"))[1]:
                await asyncio.sleep(0.1)
            assert (await visitor.get("access"))[0].status == 200
        finally:
            visitor.url = url
