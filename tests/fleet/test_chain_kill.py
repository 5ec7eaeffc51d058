"""A whole chain under kills and cut lines: no event of a shop is lost, and a reader gets each once."""

import asyncio
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.chain_run import ChainRun
from tests.fleet.hosts import UNSHARE, LoneHost
from tests.netns.lab import ROOT, why_not
from tests.system_clock import needs_faketime

FULL = os.environ.get("FULL_PROOFS") == "1"
SHOPS, PROCESSES, SECONDS = (200, 8, 600) if FULL else (10, 2, 20)
SEED = int(os.environ.get("PROOF_SEED", "1"))


def judge(outcome: dict[str, Any]) -> None:
    assert outcome["not_logged"] == [], "what a database acknowledged, it holds"
    assert outcome["not_stored"] == [], "the stream has it"
    assert outcome["doubles"] == 0, "once"
    assert outcome["not_read"] == [], "a reader that goes by the id has it, once"
    assert outcome["acted_twice"] == outcome["not_acted"] == [], "a command is acted on once"


@needs_faketime
async def test_a_small_chain_loses_and_doubles_nothing(tmp_path: Path) -> None:
    run = ChainRun(tmp_path, shops=5, processes=1, hosts=LoneHost(), dice=random.Random(SEED))
    await run.run(seconds=1)
    judge(run.outcome.__dict__)


@pytest.mark.slow
@pytest.mark.netns
@pytest.mark.timeout(3600)
@needs_faketime
async def test_a_chain_loses_and_doubles_nothing(tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    process = await asyncio.create_subprocess_exec(
        *(*UNSHARE, sys.executable, "-m", "tests.fleet.chain_run", str(tmp_path), "--hosts"),
        *("--shops", str(SHOPS), "--processes", str(PROCESSES), "--seconds", str(SECONDS), "--seed", str(SEED)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()[-4000:]
    outcome = json.loads(output)
    judge(outcome)
    sys.stdout.write(
        f"{SHOPS} shops, {SECONDS} s: {outcome['done']}; {outcome['logged']} events in the shops, all in the stream "
        f"and at the reader, {outcome['doubles']} doubles; {outcome['doubles_after_days']} after 48 hours offline, "
        f"which took {outcome['catch_up_s']:.0f} s to catch up; commands: {outcome['commands']}\n"
    )
