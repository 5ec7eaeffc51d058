"""The installer of updates, on a machine of folders: each step, what it refuses, and killed at every one of them."""

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.updates import installer, machine, packages
from gateway.updates.installer import Installer
from gateway.updates.machine import Places
from tests.updates import killed
from tests.updates.killed import ATTEMPT, LIMITS, NEW, OLD, ask, find_faults, make_machine, read_rows, read_status

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="needs a machine with systemd and apt"),
    # The installer forks, and is alone in its process; here it is not.
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]

FULL = os.environ.get("FULL_PROOFS") == "1"
MODULES = (installer, machine, packages)
OWN = {module.__name__ for module in MODULES}


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Places]:
    def make(behaviour: str) -> Places:
        lab = tmp_path / "machine"
        monkeypatch.setenv("PATH", f"{lab / 'bin'}:{os.environ['PATH']}")
        return make_machine(lab, behaviour)

    return make


@pytest.fixture
def places(make: Callable[[str], Places]) -> Places:
    """Make a machine on which the new version works."""
    return make("works")


def run(places: Places) -> tuple[str, str]:
    """Run the installer; return the outcome and the reason."""
    Installer(places, LIMITS).run()
    status = read_status(places)
    return status.get("outcome", ""), status.get("reason", "")


def installed(places: Places) -> str:
    return (places.own.parent / "installed").read_text().strip()


def calls(places: Places) -> list[str]:
    return (places.own.parent / "calls").read_text().splitlines()


def test_it_needs_nothing_but_the_standard_library() -> None:
    for module in MODULES:
        assert module.__file__ is not None
        for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.split(".")[0] in sys.stdlib_module_names or name in OWN, name


def test_a_version_that_works(places: Places) -> None:
    assert run(places) == ("applied", "")
    assert find_faults(places) == []
    assert installed(places) == NEW
    assert read_rows(places.database) == ["new"]
    assert len(list((places.own / "packages").glob("*.deb"))) == 2  # this one, and the one before


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("fails", f"{NEW} does not work here: database: it is damaged"),
        ("crashes", "it does not start"),
        ("says nothing", "it did not say in time"),
    ],
)
def test_a_version_that_does_not_work(make: Callable[[str], Places], behaviour: str, reason: str) -> None:
    places = make(behaviour)
    outcome, told = run(places)
    assert outcome == "rolled_back"
    assert reason in told
    assert find_faults(places) == []
    assert installed(places) == OLD
    assert read_rows(places.database) == ["old", "rewound"]


def test_one_that_cannot_be_installed_leaves_the_database_alone(places: Places) -> None:
    (places.own.parent / f"uninstallable-{NEW}").touch()
    outcome, reason = run(places)
    assert outcome == "rolled_back"
    assert "it cannot be installed" in reason
    assert find_faults(places) == []
    assert read_rows(places.database) == ["old"]


@pytest.mark.parametrize(("trouble", "outcome"), [("no-mirror", "unreachable"), ("unmet", "refused")])
def test_what_a_version_needs_of_debian_is_there_before_the_service_is_stopped(
    places: Places, trouble: str, outcome: str
) -> None:
    (places.own.parent / trouble).touch()
    told, reason = run(places)
    assert told == outcome
    assert "E: " in reason
    assert find_faults(places) == []
    assert not [call for call in calls(places) if call.startswith("systemctl stop")]


def test_after_a_version_has_served_the_copy_is_not_put_back(make: Callable[[str], Places]) -> None:
    places = make("says nothing")
    verdict = {"attempt": ATTEMPT, "version": OLD, "passed": False, "served": True, "reason": ""}
    starts = places.own.parent / "bin/systemctl"
    text = starts.read_text()
    starts.unlink()
    (places.own.parent / "verdict").write_text(json.dumps(verdict))
    starts.write_text(text.replace("*) exit 0 ;;", '*) cp "$lab/verdict" "$lab/state/update/verdict.json"; exit 0 ;;'))
    starts.chmod(0o755)
    assert run(places)[0] == "rolled_back"
    assert installed(places) == OLD
    assert read_rows(places.database) == ["new"]


@pytest.mark.parametrize("behaviour", ["works", "fails"])
def test_where_it_cannot_go_on_the_gateway_runs_all_the_same(make: Callable[[str], Places], behaviour: str) -> None:
    """As on a disk that became full after the service was stopped."""
    places = make(behaviour)
    program, blocked = places.own.parent / "bin/systemctl", places.own / ".journal.json.new"
    text = program.read_text()
    program.unlink()
    program.write_text(text.replace('"systemctl stop "*)', '"systemctl stop "*) mkdir "$lab/own/.journal.json.new";'))
    program.chmod(0o755)
    with pytest.raises(IsADirectoryError):
        run(places)
    assert (places.own.parent / "running").exists()
    blocked.rmdir()
    program.write_text(text)
    assert run(places)[0] == "interrupted"
    assert find_faults(places) == []


def test_without_a_line_nothing_is_touched_and_it_is_for_now(places: Places) -> None:
    (places.own.parent / "no-line").touch()
    outcome, reason = run(places)
    assert outcome == "unreachable"
    assert "Failed to fetch" in reason
    assert not [call for call in calls(places) if "stop" in call or " install " in call]
    (places.own.parent / "no-line").unlink()
    ask(places.own.parent)
    assert run(places) == ("applied", "")


@pytest.mark.parametrize("missing", [OLD, NEW])
def test_a_version_that_the_repository_lacks(places: Places, missing: str) -> None:
    (places.own.parent / "repository" / missing).unlink()
    outcome, reason = run(places)
    assert outcome == "refused"
    assert f"version {missing} is not in the chain's repository" in reason
    assert ("no way back" in reason) == (missing == OLD)
    assert find_faults(places) == []


def test_without_the_chains_repository(places: Places) -> None:
    places.source.unlink()
    assert run(places)[0] == "refused"


def test_what_was_decided_is_not_tried_again(make: Callable[[str], Places]) -> None:
    places = make("fails")
    run(places)
    (places.own.parent / "behaviour").write_text("works")
    ask(places.own.parent)
    assert run(places)[0] == "rolled_back"
    assert installed(places) == OLD
    ask(places.own.parent, attempt="f" * 32)
    assert run(places)[0] == "applied"


def test_what_is_cut_off_again_and_again_is_given_up(places: Places) -> None:
    for count in range(1, 4):
        killed.run(places, kill_at=30)
        outcome, reason = run(places)
        assert (outcome, installed(places)) == ("interrupted" if count < 3 else "rolled_back", OLD), reason
        ask(places.own.parent)
    assert run(places)[0] == "rolled_back"


HOSTILE: dict[str, Any] = {
    "an option": {"version": "-oDir::Bin::dpkg=/tmp/x"},
    "a path": {"version": "0.2.0/../../x"},
    "another package": {"version": "0.2.0 evil=1"},
    "a line": {"version": "0.2.0\n"},
    "a long one": {"version": "0" * 65},
    "a number": {"version": 2},
    "an attempt that is a path": {"attempt": "../../etc"},
    "no list": {"checks": "database"},
    "a check that is none": {"checks": ["$(reboot)"]},
    "many checks": {"checks": ["database"] * 51},
}


@pytest.mark.parametrize("changes", HOSTILE.values(), ids=HOSTILE)
def test_a_request_that_is_not_valid(places: Places, changes: dict[str, Any]) -> None:
    ask(places.own.parent, **changes)
    assert run(places) == ("", "")
    assert not (places.work / "request.json").exists()
    assert not [call for call in calls(places) if not call.startswith("systemctl start")]


def _leave(places: Places) -> None:
    (places.work / "request.json").unlink()


def _link(places: Places) -> None:
    _leave(places)
    ask(places.own.parent)
    (places.work / "request.json").rename(places.own.parent / "elsewhere.json")
    (places.work / "request.json").symlink_to(places.own.parent / "elsewhere.json")


def _pipe(places: Places) -> None:
    _leave(places)
    os.mkfifo(places.work / "request.json")


def _folder(places: Places) -> None:
    _leave(places)
    (places.work / "request.json").mkdir()


def _large(places: Places) -> None:
    (places.work / "request.json").write_bytes(b" " * machine.MAX_BYTES + (places.work / "request.json").read_bytes())


def _deep(places: Places) -> None:
    (places.work / "request.json").write_text("[" * 8000)


def _linked_folder(places: Places) -> None:
    places.work.rename(places.own.parent / "elsewhere")
    places.work.symlink_to(places.own.parent / "elsewhere")


@pytest.mark.parametrize("spoil", [_leave, _link, _pipe, _folder, _large, _deep, _linked_folder])
def test_a_request_that_is_no_file_of_its_own(places: Places, spoil: Callable[[Places], None]) -> None:
    spoil(places)
    assert run(places) == ("", "")
    assert installed(places) == OLD


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """Give a folder with nothing but the installer, as the package has it."""
    folder = tmp_path / "program"
    (folder / "gateway/updates").mkdir(parents=True)
    for name in installer._MODULES:
        shutil.copy(Path(installer.__file__).with_name(name), folder / "gateway/updates")
    return folder


def end_at_each_step(folder: Path, modules: Path, behaviour: str, how: str, steps: int) -> None:
    """End the installer at each of its steps, or at some of them, and see what becomes of that."""
    program = Path(killed.__file__)
    words = [sys.executable, "-ISB", str(program), str(folder / "machines"), behaviour, str(steps)]
    done = subprocess.run([*words, str(modules), how], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["faults"] == []
    assert told["kills"] >= 140 // steps
    assert {"interrupted", "applied" if behaviour == "works" else "rolled_back"} <= set(told["outcomes"])
    if behaviour != "works":
        assert told["states"]["returning"] >= 20 // steps
    print(f"{behaviour}: {how} {told['kills']} times, {told['states']}: {told['outcomes']}")  # noqa: T201


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", ["works", "fails"])
def test_killed_at_each_step_it_ends_in_one_of_the_two(tmp_path: Path, modules: Path, behaviour: str) -> None:
    """And killed once more while it ends what was cut off."""
    end_at_each_step(tmp_path, modules, behaviour, "kill", 1 if FULL else 12)


CUTS = pytest.mark.skipif(
    not hasattr(os, "geteuid")
    or os.geteuid() != 0
    or not shutil.which("mkfs.ext4")
    or not Path("/dev/loop-control").exists(),
    reason="needs root, loop devices and mkfs.ext4",
)


@CUTS
@pytest.mark.slow
@pytest.mark.parametrize("behaviour", ["works", "fails"])
def test_what_a_power_cut_leaves_at_each_step_ends_in_one_of_the_two(
    tmp_path: Path, modules: Path, behaviour: str
) -> None:
    """All is lost that was not flushed: also with a broken version under way, and while the earlier one comes back."""
    end_at_each_step(tmp_path, modules, behaviour, "power", 1 if FULL else 23)


@CUTS
@pytest.mark.slow
@pytest.mark.parametrize("behaviour", ["crashes", "says nothing"])
def test_power_cuts_with_a_version_that_never_tells(tmp_path: Path, modules: Path, behaviour: str) -> None:
    end_at_each_step(tmp_path, modules, behaviour, "power", 1 if FULL else 5)


def test_a_command_is_over_when_it_ends_whatever_it_leaves_running(places: Places) -> None:
    """As a script of a package that starts a program, which keeps the output of the script open."""
    file = places.own.parent / "left"
    script = f"sleep 600 & echo $! > {file}; echo done"
    try:
        assert machine.Machine(places, LIMITS).run(["sh", "-c", script], limit_s=5) == "done\n"
        os.kill(int(file.read_text()), 0)
    finally:
        os.kill(int(file.read_text()), 9)
