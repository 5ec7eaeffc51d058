"""What the installer does with the machine: commands, files that survive a power cut, the copy of the database.

It runs as root and uses the standard library alone. Nothing in the state directory of the service is trusted: it is
read without following links, and written by a process with the rights of its owner.
"""

import contextlib
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

PACKAGE: Final = "sunmi-gateway"
SERVICE: Final = "sunmi-gateway.service"
MAX_BYTES: Final = 16 * 1024
"""The longest file of the service that is read."""
_DATABASE: Final = "gateway.db"
_SHOWN: Final = 600
"""How many letters of what a command printed are kept of a failure: its last ones."""
_LOCK_POLL_S: Final = 5.0

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

    def run(self, words: Sequence[str], *, limit_s: float | None = None, folder: Path | None = None) -> str:
        """Run a command and return what it prints. Raises `UpdateFailed` if it fails or takes too long."""
        environment = os.environ | {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
        process = subprocess.Popen(  # noqa: S603  no shell; versions are checked before
            words,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            printed = process.communicate(timeout=limit_s or self.limits.command_s)[0].decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise UpdateFailed("unreachable", f"{' '.join(words[:2])} took too long") from None
        if process.returncode:
            lines = [line for line in printed.splitlines() if line.startswith(("E:", "W:", "Err:"))]
            reason = "; ".join(lines) if lines else " ".join(printed.split())
            raise UpdateFailed("unreachable", f"{Path(words[0]).name} failed: {reason[-_SHOWN:]}")
        return printed

    def systemctl(self, *words: str) -> str:
        """Run systemctl. Raises `UpdateFailed`."""
        return self.run(["systemctl", *words])

    def start_service(self) -> None:
        """Have the service started, without waiting for it: at a boot it starts after this program."""
        with contextlib.suppress(UpdateFailed):
            self.systemctl("start", "--no-block", SERVICE)

    def installed(self) -> str:
        """Return the version whose files dpkg has installed and configured; empty if there is none such."""
        with contextlib.suppress(UpdateFailed):
            words = ["dpkg-query", "--show", "--showformat=${db:Status-Abbrev} ${Version}", PACKAGE]
            state, _, version = self.run(words).partition(" ")
            return version.strip() if state.strip() == "ii" else ""
        return ""

    def configure(self) -> None:
        """End what dpkg has begun and a power cut has ended. A failure shows in what is installed then."""
        deadline = time.monotonic() + self.limits.command_s
        while True:
            try:
                words = ["dpkg", "--force-confdef", "--force-confold", "--configure", "--pending"]
                self.run(words, limit_s=self.limits.install_s)
            except UpdateFailed as failed:
                if "lock" not in str(failed) or time.monotonic() > deadline:
                    log(f"dpkg --configure: {failed}")
                    return
                time.sleep(_LOCK_POLL_S)  # somebody else is installing something
            else:
                return

    def _apt_options(self) -> list[str]:
        """Return what confines apt to the chain's repository, without touching what it knows of others."""
        own, source = self.places.own, self.places.source
        options = {
            "Dir::Etc::sourcelist": source,
            "Dir::Etc::sourceparts": "-",
            "Dir::State::lists": own / "lists",
            "Dir::Cache::pkgcache": "",
            "Dir::Cache::srcpkgcache": "",
            "APT::Update::Error-Mode": "any",  # a failed signature is only a warning by default
            "APT::Get::AllowUnauthenticated": "false",
        }
        return [word for name, value in options.items() for word in ("-o", f"{name}={value}")]

    def update_index(self) -> None:
        """Fetch the index of the chain's repository, and verify its signature. Raises `UpdateFailed`."""
        for folder in ("lists/partial", "packages"):
            (self.places.own / folder).mkdir(mode=0o755, parents=True, exist_ok=True)
        self.run(["apt-get", "-qq", *self._apt_options(), "update"])

    def download(self, version: str) -> Path:
        """Return a version's package, as the signed index describes it. Raises `UpdateFailed`."""
        if (kept := self.find_package(version)) is not None:
            return kept
        listed = self.run(["apt-cache", *self._apt_options(), "madison", PACKAGE])
        if version not in [line.split("|")[1].strip() for line in listed.splitlines() if line.count("|") == 2]:
            raise UpdateFailed("refused", f"version {version} is not in the chain's repository: publish it there")
        words = ["apt-get", "-qq", *self._apt_options(), "download", f"{PACKAGE}={version}"]
        self.run(words, limit_s=self.limits.fetch_s, folder=self.places.own / "packages")
        if (fetched := self.find_package(version)) is None:
            raise UpdateFailed("refused", f"the package {version} in the repository is another one than it says")
        sync(fetched)
        sync(fetched.parent)
        return fetched

    def find_package(self, version: str) -> Path | None:
        """Return the package of a version that is kept here."""
        for file in (self.places.own / "packages").glob("*.deb"):
            try:
                shown = self.run(["dpkg-deb", "--show", "--showformat=${Package} ${Version}", str(file)])
            except UpdateFailed:  # cut off while it was fetched
                file.unlink()
                continue
            if shown.split() == [PACKAGE, version]:
                return file
        return None

    def install(self, package: Path) -> None:
        """Install a package, and from Debian what it needs more. Raises `UpdateFailed`."""
        options = ("Dpkg::Options::=--force-confdef", "Dpkg::Options::=--force-confold", "DPkg::Lock::Timeout=600")
        chosen = [word for option in options for word in ("-o", option)]
        words = ["install", "--yes", "--no-remove", "--allow-downgrades", "--no-install-recommends", str(package)]
        self.run(["apt-get", "-qq", *chosen, *words], limit_s=self.limits.install_s)

    def install_again(self, version: str) -> bool:
        """Bring an earlier version back, whatever state dpkg is in; return whether it is installed then."""
        self.configure()
        package = self.find_package(version)
        if package is not None:
            try:
                words = ["dpkg", "--force-confdef", "--force-confold", "--force-downgrade", "--install", str(package)]
                self.run(words, limit_s=self.limits.install_s)
            except UpdateFailed as failed:
                log(str(failed))
                self.configure()
        return self.installed() == version

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
            raise UpdateFailed("refused", "the database cannot be copied: the journal of the update's unit says why")

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


def _copy(source: Path, target: Path) -> None:
    with (
        source.open("rb") as read,
        open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as written,
    ):
        shutil.copyfileobj(read, written, 1024 * 1024)
        written.flush()
        os.fsync(written.fileno())
