"""A restoration that is killed at any moment leaves a gateway that starts: with the old state or the restored one."""

import asyncio
import os
import shutil
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from gateway.app import Gateway
from gateway.settings import load_settings
from gateway.storage.state_replacement import STAGE_FOLDER
from tests.backup.test_restore import Machine

_KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from gateway.backup.restore import restore_backup
archive, settings_file, state = map(Path, sys.argv[1:])
def audit(event, arguments):
    global steps
    if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir") and str(state) in str(arguments[0]):
        steps -= 1
        if steps < 0:
            os.kill(os.getpid(), signal.SIGKILL)
for line in sys.stdin:
    steps = int(line)
    child = os.fork()
    if child == 0:
        sys.addaudithook(audit)
        asyncio.run(restore_backup(archive, settings_file, replace=True))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
STEP = 5
"""Each fifth step of the whole command: the moves are proved step by step where they are made."""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes")
async def test_the_gateway_starts_after_a_kill_at_any_moment(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "machine")
    await machine.furnish()
    archive = machine.backup(tmp_path / "backup.tar.gz")
    settings = load_settings(machine.settings_file)
    gateway = await Gateway.open(settings)
    await gateway.tokens.create("newer", "pos")
    await gateway.close()
    old = tmp_path / "old"
    shutil.copytree(machine.state, old)
    outcomes, steps, code = [], 0, -signal.SIGKILL
    command = [sys.executable, "-c", _KILLED, str(archive), str(machine.settings_file), str(machine.state)]
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    while code == -signal.SIGKILL:
        shutil.rmtree(machine.state)
        shutil.copytree(old, machine.state)
        process.stdin.write(f"{steps}\n".encode())
        code = int(await process.stdout.readline())
        gateway = await Gateway.open(settings)
        await gateway.close()
        names = sorted(machine.tokens())
        assert names in (["newer", "till 1"], ["till 1"]), f"killed before step {steps}"
        assert not (machine.state / STAGE_FOLDER).exists()
        outcomes.append(len(names))
        steps += STEP
    process.stdin.close()
    assert await process.wait() == 0
    assert code == 0
    assert outcomes == sorted(outcomes, reverse=True), "first the old state, then the restored one"
    assert set(outcomes) == {1, 2}
