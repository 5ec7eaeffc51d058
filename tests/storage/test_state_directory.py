import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import StateError
from gateway.storage.state_directory import StateDirectory

HOLD = """
import sys
from pathlib import Path
from gateway.storage.state_directory import StateDirectory
held = StateDirectory.acquire(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""

ASK = """
import sys
from pathlib import Path
from gateway.storage.state_directory import StateDirectory
print("asking", flush=True)
while True:
    StateDirectory.is_held(Path(sys.argv[1]))
"""

TRY = """
import sys
from pathlib import Path
from gateway.errors import StateError
from gateway.storage.state_directory import StateDirectory
try:
    StateDirectory.acquire(Path(sys.argv[1]))
except StateError as exc:
    sys.exit(str(exc))
"""


def test_creates_a_private_directory_and_locks_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "state"
    assert not StateDirectory.is_held(path)
    directory = StateDirectory.acquire(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE((path / "gateway.lock").stat().st_mode) == 0o600
    assert (directory.database, directory.socket) == (path / "gateway.db", path / "gateway.sock")
    assert StateDirectory.is_held(path)
    directory.release()
    assert not StateDirectory.is_held(path)
    StateDirectory.acquire(path).release()


def test_leaves_the_mode_of_a_directory_that_exists(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    StateDirectory.acquire(tmp_path).release()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750


def test_leaves_nothing_but_the_lock_file(tmp_path: Path) -> None:
    StateDirectory.acquire(tmp_path).release()
    assert [file.name for file in tmp_path.iterdir()] == ["gateway.lock"]


def test_what_a_killed_gateway_has_left_of_a_transfer_is_deleted(tmp_path: Path) -> None:
    for name in ("upload-x1", "download-x2", "stage"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "backup.tar.gz").write_bytes(b"half")
    StateDirectory.acquire(tmp_path).release()
    assert sorted(one.name for one in tmp_path.iterdir() if one.is_dir()) == ["stage"]


def test_another_process_holds_it_until_it_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert StateDirectory.is_held(tmp_path)
        with pytest.raises(StateError, match="another gateway holds") as refused:
            StateDirectory.acquire(tmp_path)
        assert str(tmp_path) in str(refused.value)
        holder.kill()
        holder.wait()
    assert not StateDirectory.is_held(tmp_path)
    StateDirectory.acquire(tmp_path).release()


def test_asking_who_holds_it_never_keeps_a_gateway_out(tmp_path: Path) -> None:
    """A command that looks for a gateway at the moment of its start must not make that start fail."""
    StateDirectory.acquire(tmp_path).release()
    with subprocess.Popen([sys.executable, "-c", ASK, str(tmp_path)], stdout=subprocess.PIPE, text=True) as questioner:
        assert questioner.stdout is not None
        assert questioner.stdout.readline() == "asking\n"
        try:
            for _ in range(50):
                StateDirectory.acquire(tmp_path).release()
        finally:
            questioner.kill()


@pytest.mark.parametrize("inside", ["", "below"])
def test_refuses_what_is_no_directory(tmp_path: Path, inside: str) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(StateError, match="it is not a directory"):
        StateDirectory.acquire(file / inside)
    assert not StateDirectory.is_held(file)
    assert file.read_text() == "mine"


@pytest.fixture
def closed_directory(tmp_path: Path) -> Iterator[Path]:
    """Give a directory without access; root, who has access everywhere, is another user meanwhile."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o000)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield closed
    if root:
        os.seteuid(0)


def test_refuses_a_directory_without_access(closed_directory: Path) -> None:
    with pytest.raises(StateError, match="cannot be written to") as refused:
        StateDirectory.acquire(closed_directory)
    assert str(closed_directory) in str(refused.value)
    with pytest.raises(StateError, match="cannot tell whether a gateway runs there"):
        StateDirectory.is_held(closed_directory)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.parametrize(
    ("commands", "reason"),
    [
        ("mount -o remount,ro {path}", "read-only file system"),
        ("dd if=/dev/zero of={path}/filler bs=64k 2>/dev/null", "its disk is full"),
    ],
)
def test_refuses_a_disk_that_cannot_take_anything(tmp_path: Path, commands: str, reason: str) -> None:
    script = (
        f"mount -t tmpfs -o size=1m state {tmp_path} && touch {tmp_path}/gateway.lock; "
        f'{commands.format(path=tmp_path)}; exec "$0" -c "$1" {tmp_path}'
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, sys.executable, TRY],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert str(tmp_path) in done.stderr
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a directory away needs root")
@pytest.mark.parametrize(("owner", "name"), [(65534, "nobody"), (54321, "#54321")])
def test_root_leaves_no_files_in_a_directory_of_another_user(tmp_path: Path, owner: int, name: str) -> None:
    os.chown(tmp_path, owner, owner)
    with pytest.raises(StateError, match=f"belongs to {name}; run this as that user: sudo -u {name} "):
        StateDirectory.acquire(tmp_path)
    assert not StateDirectory.is_held(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_host_suffix_is_decided_once(tmp_path: Path) -> None:
    given = iter(("38e2", "ffff"))
    for _ in range(2):
        directory = StateDirectory.acquire(tmp_path)
        assert directory.load_host_suffix(lambda: next(given)) == "38e2"
        directory.release()
    (tmp_path / "gateway.suffix").write_bytes(b"\0\0\0\0")  # as a power cut may leave it
    for _ in range(2):
        directory = StateDirectory.acquire(tmp_path)
        assert directory.load_host_suffix(lambda: "ffff") == "ffff"
        directory.release()
