"""What the installer does with the machine: commands, files that survive a power cut, the copy of the database.

It runs as root and uses the standard library alone. Nothing in the state directory of the service is trusted: it is
read without following links, and written by a process with the rights of its owner.
"""

import contextlib
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

SERVICE: Final = "sunmi-gateway.service"
VERSION_PATTERN: Final = r"[0-9][A-Za-z0-9.+~-]{0,63}"
"""What a version may be: nothing that apt would take for an option, a path or another package."""
MAX_BYTES: Final = 16 * 1024
"""The longest file that service or installer reads of the other."""
_DATABASE: Final = "gateway.db"
_SHOWN: Final = 600
"""How many letters of what a command printed are kept of a failure."""

Outcome = Literal["applied", "refused", "rolled_back", "interrupted", "unreachable"]
"""What became of an update. The last two are for now: it is asked for again."""


class UpdateFailed(Exception):
    """An update cannot go on. The text says why."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome: Outcome = outcome


@dataclass(frozen=True, slots=True)
class Limits:
    """How long everything may take, in seconds."""

    command_s: float = 300
    fetch_s: float = 3600
    silence_s: int = 30
    """How long the repository may say nothing. Then it is tried once more."""
    install_s: float = 3600
    start_s: float = 900
    """From the start of the new version to its verdict: it may have a large database to bring to its schema."""
    proof_s: float = 90
    """From when it is there, and proves itself, to its verdict. It takes 60 at most itself."""
    starts: int = 3
    """How often it may fail to start."""
    poll_s: float = 0.5


@dataclass(frozen=True, slots=True)
class Places:
    """Where everything is."""

    own: Path = Path("/var/lib/sunmi-gateway-updates")
    """The folder of the installer, which is root's; the service reads it."""
    state: Path = Path("/var/lib/sunmi-gateway")
    """The state directory of the service. Nothing in it is trusted."""
    source: Path = Path("/etc/apt/sources.list.d/sunmi-gateway.sources")
    """The chain's repository and its key, as root has put them there."""
    units: Path = Path("/etc/systemd/system")
    rewound: Path = Path("/usr/lib/sunmi-gateway/shared/gateway/storage/schema/rewound.sql")
    """What the installed version runs on a database that may have gone back in time."""

    @property
    def work(self) -> Path:
        """The folder in the state directory for all that concerns updates."""
        return self.state / "update"

    @property
    def database(self) -> Path:
        """The database of the service."""
        return self.state / _DATABASE

    @property
    def copy(self) -> Path:
        """The folder with the copy of the database."""
        return self.work / "copy"

    @property
    def copy_draft(self) -> Path:
        """The copy while it is made."""
        return self.work / "copy.new"


class Machine:
    """The machine on which versions are installed."""

    def __init__(self, places: Places, limits: Limits) -> None:
        """Take where everything is, and how long it may take."""
        self.places = places
        self.limits = limits

    # Commands

    def run(
        self,
        words: Sequence[str],
        *,
        limit_s: float | None = None,
        folder: Path | None = None,
        max_file_bytes: int | None = None,
    ) -> str:
        """Run a command and return what it prints. Raises `UpdateFailed` if it fails or takes too long.

        No file that it writes can become larger than `max_file_bytes`.
        """
        bound = [] if max_file_bytes is None else ["prlimit", f"--fsize={max_file_bytes}"]
        name, limit_s = Path(words[0]).name, limit_s or self.limits.command_s
        environment = os.environ | {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
        # No pipe: a program that a package's script starts may keep it open for as long as it runs.
        with open(os.memfd_create(name), "w+b") as output:
            process = subprocess.Popen(  # noqa: S603  no shell; versions are checked before
                [*bound, *words],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                process.wait(limit_s)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise UpdateFailed("unreachable", f"{name} took more than {limit_s:g} s and was ended") from None
            output.seek(0)
            printed = output.read().decode("utf-8", "replace")
        if process.returncode:
            raise UpdateFailed("unreachable", f"{name} failed: {_describe_failure(printed)}")
        return printed

    def systemctl(self, *words: str) -> str:
        """Run systemctl. Raises `UpdateFailed`."""
        return self.run(["systemctl", *words])

    def start_service(self) -> None:
        """Have the service started, without waiting for it: at a boot it starts after this program."""
        with contextlib.suppress(UpdateFailed):
            self.systemctl("start", "--no-block", SERVICE)

    # Files of the service

    def read_of_service(self, name: str, *, remove: bool = False) -> bytes | None:
        """Return what a file of the service holds; None if there is none, and nothing if it is no ordinary file."""
        with contextlib.ExitStack() as opened:
            try:
                folder = os.open(self.places.state, os.O_RDONLY | os.O_DIRECTORY)
                opened.callback(os.close, folder)
                work = os.open(self.places.work.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
                opened.callback(os.close, work)
            except OSError:
                return None
            try:
                file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=work)
                opened.callback(os.close, file)
                content = os.read(file, MAX_BYTES + 1) if stat.S_ISREG(os.fstat(file).st_mode) else b""
            except FileNotFoundError:
                return None
            except OSError:  # a link
                content = b""
            if remove:
                with contextlib.suppress(IsADirectoryError):
                    os.unlink(name, dir_fd=work)
                os.fsync(work)
            return content if len(content) <= MAX_BYTES else b""

    def as_owner(self, work: Callable[[], None]) -> None:
        """Do something in the state directory with the rights of its owner. Raises `UpdateFailed`."""
        owner = self.places.state.stat()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                if os.geteuid() == 0 != owner.st_uid:
                    os.setgroups([])
                    os.setresgid(owner.st_gid, owner.st_gid, owner.st_gid)
                    os.setresuid(owner.st_uid, owner.st_uid, owner.st_uid)
                os.umask(0o077)
                work()
                status = 0
            except BaseException as exc:
                log(f"{type(exc).__name__}: {exc}")
            finally:
                os._exit(status)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            raise UpdateFailed("refused", "a step in the state directory failed: the journal of its unit says why")

    def copy_database(self) -> None:
        """Copy the database, which nobody uses, and how one is marked that has gone back in time. Run as its owner."""
        draft = self.places.copy_draft
        self.remove_copy()
        draft.mkdir(mode=0o700)
        for name in (_DATABASE, f"{_DATABASE}-wal"):
            if (self.places.state / name).exists():
                _copy(self.places.state / name, draft / name)
        _copy(self.places.rewound, draft / self.places.rewound.name)
        sync(draft)
        draft.rename(self.places.copy)
        sync(self.places.work)

    def put_database_back(self) -> None:
        """Put the copy in the place of the database, and keep the copy. It may be cut off and done again. As owner."""
        draft = self.places.work / _DATABASE
        for file in self._files_of(draft):
            file.unlink(missing_ok=True)
        for file in self._files_of(self.places.copy / _DATABASE)[:2]:
            if file.exists():
                _copy(file, draft.with_name(file.name))
        if not draft.exists():
            return  # there was none before the update
        marks = (self.places.copy / self.places.rewound.name).read_text(encoding="utf-8")
        with contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            connection.executescript(f"BEGIN IMMEDIATE; {marks} COMMIT;")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        sync(draft)
        for file in self._files_of(self.places.database)[1:]:
            file.unlink(missing_ok=True)
        draft.replace(self.places.database)
        sync(self.places.state)

    def remove_copy(self) -> None:
        """Remove the copy, also an unfinished one. Run as its owner."""
        for folder in (self.places.copy_draft, self.places.copy):
            shutil.rmtree(folder, ignore_errors=True)

    @staticmethod
    def _files_of(database: Path) -> list[Path]:
        return [database.with_name(f"{database.name}{ending}") for ending in ("", "-wal", "-shm")]


def write(path: Path, content: bytes, mode: int) -> None:
    """Replace a file at once or not at all, and for good."""
    draft = path.with_name(f".{path.name}.new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode), "wb") as stream:
        os.fchmod(stream.fileno(), mode)
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
    sync(path.parent)


def remove(path: Path) -> None:
    """Remove a file, if it is there, for good."""
    path.unlink(missing_ok=True)
    if path.parent.exists():
        sync(path.parent)


def sync(path: Path) -> None:
    """Write a file, or the names in a folder, to the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def log(text: str) -> None:
    """Write a line to the journal of the unit."""
    sys.stderr.write(f"{text}\n")


def _describe_failure(printed: str) -> str:
    """Return why a command has failed, from what it has printed."""
    lines = [line for line in printed.splitlines() if line.startswith(("E:", "W:", "Err:"))]
    reason = "; ".join(line for line in lines if "unsandboxed" not in line)[:_SHOWN]
    if f"received signal {int(signal.SIGXFSZ)}" in reason:
        return f"the repository sends more than any of its files may have: {reason}"
    if re.search(r"\s30[12378]\s", reason):
        return f"the repository leads to another address, which has to stand in the file of sources itself: {reason}"
    return reason or " ".join(printed.split())[-_SHOWN:]


def _copy(source: Path, target: Path) -> None:
    with (
        source.open("rb") as read,
        open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as written,
    ):
        shutil.copyfileobj(read, written, 1024 * 1024)
        written.flush()
        os.fsync(written.fileno())
