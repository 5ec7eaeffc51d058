"""A whole chain under kills and cut lines: no event of a shop is lost, and a reader gets each once."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.hosts import UNSHARE
from tests.netns.lab import ROOT, why_not
from tests.system_clock import needs_faketime

FULL = os.environ.get("FULL_PROOFS") == "1"
SHOPS, PROCESSES, SECONDS, LONGEST_S = (200, 8, 600, 12) if FULL else (5, 2, 1, 3)
SEED = int(os.environ.get("PROOF_SEED", "1"))
TROUBLE = {"kill server", "freeze server", "kill shops", "kill reader"}
CUTS = {"cut server", "cut shops"}


def judge(outcome: dict[str, Any], trouble: set[str]) -> None:
    assert outcome["done"].keys() == trouble, "every kind of trouble has happened"
    assert outcome["not_logged"] == [], "what a database acknowledged, it holds"
    assert outcome["not_stored"] == [], "the stream has it"
    assert outcome["doubles"] == 0, "once"
    assert outcome["not_read"] == [], "a reader that goes by the id has it, once"
    assert outcome["acted_twice"] == outcome["not_acted"] == [], "a command is acted on once"
    assert {"done"} <= outcome["commands"].keys() <= {"done", "interrupted"}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@needs_faketime
async def test_a_chain_loses_and_doubles_nothing(tmp_path: Path) -> None:
    can_cut = why_not() is None
    words = (
        *(UNSHARE if can_cut else ()),
        *(sys.executable, "-m", "tests.fleet.chain_run", str(tmp_path), *(["--hosts"] if can_cut else [])),
        *("--shops", str(SHOPS), "--processes", str(PROCESSES), "--seconds", str(SECONDS)),
        *("--longest", str(LONGEST_S), "--seed", str(SEED)),
    )
    process = await asyncio.create_subprocess_exec(
        *words, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()[-4000:]
    outcome = json.loads(output)
    judge(outcome, TROUBLE | CUTS if can_cut else TROUBLE)
    sys.stdout.write(
        f"{SHOPS} shops, {SECONDS} s: {outcome['done']}; {outcome['logged']} events in the shops, all in the stream "
        f"and at the reader, {outcome['doubles']} doubles; {outcome['doubles_after_days']} after 48 hours offline, "
        f"which took {outcome['catch_up_s']:.0f} s to catch up; commands: {outcome['commands']}\n"
    )
