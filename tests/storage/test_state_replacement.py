"""A kill, a full disk or a power cut while a state is replaced leaves the old state or the new one, whole."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.errors import StateError
from gateway.storage.state_replacement import (
    STAGE_FOLDER,
    ReplacementOutcome,
    WaitingState,
    clear_stage,
    create_stage,
    finish_replacement,
    list_state,
    load_outcome,
    load_waiting,
    replace_state,
    save_waiting,
)

NAMES = ("authority.pem", "gateway.db", "settings.toml")
WAITING = WaitingState("2026-01-01T00:00:00Z", "1.0", "A", {"camera": 3}, 2, who="phone", confirmed=True)


def furnish(directory: Path, *, waits: bool) -> None:
    """Put an old state there, and a new one into the stage."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    (directory / "gateway.lock").touch()
    for name in (*NAMES, "gateway.db-wal", "gateway.suffix"):
        (directory / name).write_text("old")
    stage = create_stage(directory)
    for name in (*NAMES, "gateway.db-schema"):
        (stage / name).write_text("new")
    if waits:
        save_waiting(directory, WAITING)


def read_state(directory: Path) -> dict[str, str]:
    return {one.name: one.read_text() for one in list_state(directory)}


OLD = dict.fromkeys((*NAMES, "gateway.db-wal", "gateway.suffix"), "old")
NEW = dict.fromkeys((*NAMES, "gateway.db-schema"), "new")


def test_the_new_state_takes_the_place_of_the_old_which_is_kept(tmp_path: Path) -> None:
    furnish(tmp_path / "state", waits=False)
    aside = replace_state(tmp_path / "state")
    assert read_state(tmp_path / "state") == NEW
    assert aside is not None
    assert {one.name: one.read_text() for one in aside.iterdir()} == OLD
    assert not (tmp_path / "state" / STAGE_FOLDER).exists()


def test_a_state_waits_until_it_is_confirmed(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    furnish(directory, waits=True)
    assert load_waiting(directory) == WAITING
    assert finish_replacement(directory)
    assert read_state(directory) == NEW
    outcome = load_outcome(directory)
    assert outcome is not None
    assert (outcome.state, outcome.aside, outcome.problem) == (WAITING, "replaced-1", "")
    assert not finish_replacement(directory)


def test_a_state_that_nobody_confirmed_is_forgotten_at_the_start(tmp_path: Path) -> None:
    furnish(tmp_path / "state", waits=False)
    assert not finish_replacement(tmp_path / "state")
    assert read_state(tmp_path / "state") == OLD
    assert load_outcome(tmp_path / "state") is None
    assert not (tmp_path / "state" / STAGE_FOLDER).exists()


@pytest.mark.parametrize("number", range(12))
def test_a_move_that_fails_is_undone_and_said(tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fails at each move in turn; the moves back work again."""
    directory = tmp_path / "state"
    furnish(directory, waits=True)
    left = [number]

    def failing(move: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
        def attempt(source: Path, target: Path) -> Path:
            left[0] -= "waiting" not in str(target) and "plan" not in str(target) and "restoration" not in str(target)
            if left[0] == -1:
                left[0] = -1000
                raise OSError(5, "Input/output error")
            return move(source, target)

        return attempt

    monkeypatch.setattr(Path, "rename", failing(Path.rename))
    monkeypatch.setattr(Path, "replace", failing(Path.replace))
    replaced = finish_replacement(directory)
    outcome = load_outcome(directory)
    assert isinstance(outcome, ReplacementOutcome)
    failed = left[0] <= -1000
    assert replaced is not failed
    assert read_state(directory) == (OLD if failed else NEW)
    assert ("Input/output error" in outcome.problem) is failed
    assert failed == (number < len(OLD) + len(NEW))


def test_the_command_puts_no_state_in_its_place_that_waits_for_a_start(tmp_path: Path) -> None:
    furnish(tmp_path / "state", waits=True)
    assert not finish_replacement(tmp_path / "state", begins_waiting=False)
    assert read_state(tmp_path / "state") == OLD
    assert load_waiting(tmp_path / "state") == WAITING


def test_a_damaged_plan_stops_the_start_and_deletes_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    furnish(directory, waits=False)
    (directory / STAGE_FOLDER / "plan.json").write_text("{")
    clear_stage(directory)
    with pytest.raises(StateError, match="cannot be ended"):
        finish_replacement(directory)
    assert (directory / STAGE_FOLDER / "new" / "gateway.db").read_text() == "new"


_KILLED = """
import os, signal, sys
from pathlib import Path
from gateway.storage.state_replacement import finish_replacement, replace_state
directory = Path(sys.argv[1])
for line in sys.stdin:
    name, number = line.split()
    steps = int(number)
    def audit(event, arguments):
        global steps
        if event in STEPS and str(directory) in str(arguments[0]):
            steps -= 1
            if steps < 0:
                os.kill(os.getpid(), signal.SIGKILL)
    child = os.fork()
    if child == 0:
        sys.addaudithook(audit)
        globals()[name](directory)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
""".replace("STEPS", '("open", "os.rename", "os.remove", "os.chmod", "os.mkdir", "os.rmdir", "os.chown")')


class Killer:
    """A process that replaces a state and is killed before a given step."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, function: str, steps: int) -> bool:
        """Return whether it was killed before it ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{function} {steps}\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        assert code in (0, -signal.SIGKILL)
        return code != 0


@pytest.fixture
def killer(tmp_path: Path) -> Iterator[Killer]:
    command = [sys.executable, "-c", _KILLED, str(tmp_path / "state")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Killer(process)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes")
@pytest.mark.parametrize("waits", [False, True])
def test_a_kill_at_any_step_leaves_the_old_or_the_new_state(tmp_path: Path, killer: Killer, waits: bool) -> None:
    """The start after the kill is killed as well, at a step that differs each time."""
    directory = tmp_path / "state"
    seen, steps, killed = [], 0, True
    while killed:
        furnish(directory, waits=waits)
        killed = killer.run("finish_replacement" if waits else "replace_state", steps)
        killer.run("finish_replacement", steps * 7 % 23)
        finish_replacement(directory)
        state = read_state(directory)
        assert state in (OLD, NEW), f"killed before step {steps}"
        assert not (directory / STAGE_FOLDER).exists()
        assert state == NEW or not waits, "what a person confirmed is not forgotten"
        assert not waits or load_outcome(directory) is not None
        seen.append(state == NEW)
        steps += 1
    assert seen == sorted(seen), "first the old, then the new"
    assert len(seen) > 30
