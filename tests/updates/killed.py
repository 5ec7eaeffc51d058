"""Runs the installer in a machine of folders, killed at a step; the standard library is all that it has.

`killed.py FOLDER BEHAVIOUR STEP PROGRAM HOW` ends it at each STEP-th step in turn, each time in a machine of its own,
and runs it again as the next boot does. HOW is `kill`, after which all is there that was written, or `power`, after
which all is lost that was not flushed. Prints as JSON how often that was, the outcomes and states in which it was
ended, and what is wrong afterwards.
"""

import collections
import contextlib
import json
import os
import runpy
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
if __name__ == "__main__":
    sys.path.insert(0, sys.argv[4])
    if "TEST_CLOCK_AHEAD_S" in os.environ:  # with that clock Python cannot sleep by itself
        runpy.run_path(str(HERE.parent / "clock_ahead/sitecustomize.py"))

from gateway.updates.installer import Installer  # noqa: E402
from gateway.updates.machine import Limits, Places  # noqa: E402

OLD, NEW = "0.1.0", "0.2.0"
ATTEMPT = "0123456789abcdef0123456789abcdef"
PROGRAMS = ("apt-get", "apt-cache", "dpkg", "dpkg-deb", "dpkg-query", "systemctl")
ENDS_AT = "UPDATES_END_AT"
"""The variable that says before which step everything ends."""
DISK_BYTES = 1024 * 1024 * 1024
"""An update wants room. The file is sparse."""
LIMITS = Limits(command_s=20, start_s=20, proof_s=0.2, poll_s=0.01)
ROWS = "SELECT text FROM note ORDER BY text"


def make_machine(lab: Path, behaviour: str) -> Places:
    """Make a machine on which the old version is installed, and which is asked for the new one."""
    for folder in ("bin", "repository", "state/update", "units", "own"):
        (lab / folder).mkdir(parents=True)
    for name in PROGRAMS:
        (lab / "bin" / name).symlink_to(HERE / "machine.sh")
    for version in (OLD, NEW):
        (lab / "repository" / version).write_text(f"sunmi-gateway {version}\n")
    (lab / "installed").write_text(OLD)
    (lab / "running").write_text(OLD)
    (lab / "behaviour").write_text(behaviour)
    (lab / "chain.sources").touch()
    make_database(lab / "state/gateway.db", "old", keeps_log=True)
    make_database(lab / "migrated.db", "new")
    (lab / "rewound.sql").write_text("-- One has gone back.\nINSERT INTO note VALUES ('rewound');\n")
    ask(lab)
    own, state = lab / "own", lab / "state"
    return Places(own, state, lab / "chain.sources", lab / "units", lab / "rewound.sql")


def ask(lab: Path, **changes: Any) -> None:
    request = {"attempt": ATTEMPT, "version": NEW, "checks": ["database"]} | changes
    (lab / "state/update/request.json").write_text(json.dumps(request))


def make_database(path: Path, text: str, *, keeps_log: bool = False) -> None:
    """Make a database with a row; keep what is in its log where a killed process has left it, if that is wanted."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE note (text TEXT)")
    connection.execute("INSERT INTO note VALUES (?)", (text,))
    if keeps_log:
        kept = {file: file.read_bytes() for file in path.parent.glob(f"{path.name}*")}
    connection.close()
    if keeps_log:
        for file, content in kept.items():
            file.write_bytes(content)


def read_rows(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        return [row[0] for row in connection.execute(ROWS)]
    finally:
        connection.close()


def run(places: Places, kill_at: int = 0) -> bool:
    """Run the installer in a process of its own; return whether it was killed before its `kill_at`-th step."""
    steps = places.own.parent / "steps"
    steps.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.environ["PATH"] = f"{places.own.parent / 'bin'}:{os.environ['PATH']}"
        with (places.own.parent / "log").open("a") as log:
            os.dup2(log.fileno(), 2)
        os.environ[ENDS_AT] = str(kill_at)
        if kill_at:
            arm(steps, kill_at)
        status = 1
        try:
            Installer(places, LIMITS).run()
            status = 0
        finally:
            os._exit(status)
    ended = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(ended) or os.WEXITSTATUS(ended) == 0, (places.own.parent / "log").read_text()
    return os.WIFSIGNALED(ended)


def arm(steps: Path, kill_at: int) -> None:
    """Let the process, and those that it has forked, be killed before a step that changes or stores something.

    The programs that it runs have steps, too, and count them in the same file.
    """

    def counted(work: Callable[..., Any]) -> Callable[..., Any]:
        def step(*words: Any, **named: Any) -> Any:
            file = os.open(steps, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.write(file, b".")
            count = os.fstat(file).st_size
            os.close(file)
            if count == kill_at:
                os.killpg(0, signal.SIGKILL)
            return work(*words, **named)

        return step

    for name in ("fsync", "replace", "rename", "unlink", "mkdir", "rmdir", "symlink"):
        setattr(os, name, counted(getattr(os, name)))
    subprocess.Popen.__init__ = counted(subprocess.Popen.__init__)  # type: ignore[method-assign]


def boot(places: Places, kill_at: int = 0) -> bool:
    """Run the installer as the next start of the machine does, where nothing runs yet."""
    (places.own.parent / "running").unlink(missing_ok=True)
    return run(places, kill_at)


class Folder:
    """Stands for a disk to which everything gets that is written."""

    def settle(self) -> None: ...

    def cut(self) -> None: ...


class Disk:
    """A file with an ext4 of its own that is mounted. It holds what has reached it, and nothing more.

    What was written and not flushed is in the memory of the kernel alone, so a copy of the file has none of it.
    """

    def __init__(self, file: Path, folder: Path) -> None:
        self._file = file
        self._folder = folder

    def mount(self) -> None:
        options = "loop,commit=300,noauto_da_alloc"  # nothing reaches it but what is flushed
        subprocess.run(["mount", "-o", options, str(self._file), str(self._folder)], check=True)

    def unmount(self) -> None:
        """Unmount it when the last process that was killed, or started by one, has gone."""
        until = time.monotonic() + 60
        while (done := subprocess.run(["umount", str(self._folder)], capture_output=True, check=False)).returncode:
            assert time.monotonic() < until, done.stderr.decode()
            time.sleep(0.05)

    def settle(self) -> None:
        """Let everything reach it that was written so far."""
        subprocess.run(["sync", "--file-system", str(self._folder)], check=True)

    def cut(self) -> None:
        """Lose everything that has not reached it. Nothing uses it any more."""
        left = self._file.with_suffix(".left")
        subprocess.run(["cp", "--sparse=always", str(self._file), str(left)], check=True)
        self.unmount()
        left.replace(self._file)
        self.mount()


@contextlib.contextmanager
def make_folder(folder: Path) -> Iterator[Folder]:
    folder.mkdir(parents=True)
    yield Folder()
    shutil.rmtree(folder)


@contextlib.contextmanager
def make_disk(folder: Path) -> Iterator[Disk]:
    """Mount a new disk at a new folder. Needs root and loop devices."""
    folder.mkdir(parents=True)
    file = folder.with_name(f"{folder.name}.disk")
    with file.open("wb") as empty:
        empty.truncate(DISK_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-N", "256", "-J", "size=4", str(file)], check=True)
    disk = Disk(file, folder)
    disk.mount()
    try:
        yield disk
    finally:
        disk.unmount()
        file.unlink()
        folder.rmdir()


def find_faults(places: Places) -> list[str]:
    """Return what is wrong on a machine after an update and whatever cut it off."""
    lab = places.own.parent
    faults = [
        f"{file.relative_to(lab)} is left"
        for pattern in ("own/pending.json", "own/journal.json", "units/*.service", "units/*/*", "state/update/copy*")
        for file in lab.glob(pattern)
    ]
    if (lab / "half").exists():
        faults.append("dpkg has not ended")
    if not (lab / "running").exists():
        faults.append("nothing runs")
    installed = (lab / "installed").read_text().strip()
    rows = read_rows(places.state / "gateway.db")
    status = read_status(places)
    if installed == NEW:
        fitting = rows == ["new"] and status.get("outcome") == "applied"
    else:
        fitting = rows in (["old"], ["old", "rewound"]) and status.get("outcome") != "applied"
    if not fitting:
        faults.append(f"{installed} is installed, with {rows} and {status}")
    return faults


def read_state(places: Places) -> str:
    """Return how far the update is, as the journal says."""
    try:
        return str(json.loads((places.own / "journal.json").read_bytes())["state"])
    except (FileNotFoundError, ValueError):
        return "none"


def read_status(places: Places) -> dict[str, Any]:
    file = places.own / "status.json"
    return json.loads(file.read_bytes()) if file.exists() else {}


def main() -> None:
    folder, behaviour, step, how = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[5]
    faults: list[str] = []
    outcomes: collections.Counter[str] = collections.Counter()
    states: collections.Counter[str] = collections.Counter()
    at, was_killed = 1, True
    while was_killed:
        with make_disk(folder / str(at)) if how == "power" else make_folder(folder / str(at)) as disk:
            places = make_machine(folder / str(at) / "machine", behaviour)
            disk.settle()
            if was_killed := run(places, at):
                disk.cut()
                states[read_state(places)] += 1
                if boot(places, 1 + at % 31):  # and once more while it ends that
                    disk.cut()
                    states[read_state(places)] += 1
                    boot(places)
            faults += [f"ended at {at}: {fault}" for fault in find_faults(places)]
            outcomes[read_status(places).get("outcome", "none")] += 1
        at += step
    told = {"kills": states.total(), "outcomes": outcomes, "states": states, "faults": faults}
    print(json.dumps(told))  # noqa: T201


if __name__ == "__main__":
    main()
