"""Installs the version that the gateway's service asks for, and goes back to the earlier one if that fails.

It runs as root, since the service may not install anything. It stands alone: the standard library is all that it
uses, and for as long as an update lasts there is a copy of it that no package touches.

What it does is written to a journal before it is done. A power cut at any moment is followed by `Installer.run` at the
next boot, before the gateway starts, and ends in one of the two versions::

    fetching → stopping → installing → proving → ending
                              └───────────┴→ returning → ending

The copy of the database is made while nothing runs. It is put back only if no version has served since: each gateway
that starts meanwhile writes a verdict before it serves.
"""

import contextlib
import fcntl
import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from gateway.updates.machine import (
    SERVICE,
    VERSION_PATTERN,
    Limits,
    Machine,
    Outcome,
    Places,
    UpdateFailed,
    log,
    remove,
    sync,
    write,
)
from gateway.updates.packages import ChainPackages

RECOVERY: Final = "sunmi-gateway-recovery.service"
"""The unit that ends an update after a power cut. It is there only while one is under way."""
_ATTEMPT: Final = re.compile(r"[0-9a-f]{32}")
_CHECK: Final = re.compile(r"[a-z_]{1,40}")
_MAX_CHECKS: Final = 50
_MAX_REASON: Final = 1000
_MAX_INTERRUPTIONS: Final = 3
"""How often an update may be cut off before it is given up: it may be what makes the machine fail."""
_RESERVE_BYTES: Final = 512 * 1024 * 1024
"""How much room is left for packages, which are unpacked beside what is installed."""
_CUT: Final = "it was cut off, as by a power cut"
RECOVERY_UNIT: Final = f"""\
[Unit]
Description=End an update of the SUNMI store gateway that was cut off
Before={SERVICE}

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 -ISBc 'import sys; sys.path.insert(0, "{{folder}}"); \
import gateway.updates.installer as installer; installer.main()'
TimeoutStartSec=2h
"""
_MODULES: Final = ("__init__.py", "installer.py", "machine.py", "packages.py")
"""What this program consists of, in the folder `gateway/updates` of any folder."""

State = Literal["fetching", "stopping", "installing", "proving", "returning", "ending"]


@dataclass(frozen=True, slots=True)
class Journal:
    """How far an update is."""

    attempt: str
    """Which wish of the head office it answers."""
    version: str
    """The version to install."""
    earlier: str
    """The version to go back to."""
    checks: tuple[str, ...] = ()
    """The checks that the new version has to pass."""
    state: State = "fetching"
    outcome: Outcome = "interrupted"
    """What becomes of it, once it is returning or ending."""
    reason: str = ""
    started: bool = False
    """Whether the new version may have been started, so that the database may not be as it was."""
    interruptions: int = 0
    """How often it was cut off."""


class Verdict(NamedTuple):
    """What a gateway has said that started during an update."""

    version: str
    """Its version."""
    passed: bool
    """Whether it has proved itself."""
    served: bool
    """Whether some version may have served since the copy of the database was made."""
    reason: str
    """Why it has not proved itself."""


class Installer:
    """Ends the update that was begun; else begins the one that is asked for."""

    def __init__(self, places: Places | None = None, limits: Limits | None = None) -> None:
        """Take where everything is, and how long it may take."""
        self._places = places or Places()
        self._limits = limits or Limits()
        self._machine = Machine(self._places, self._limits)
        self._packages = ChainPackages(self._machine)

    def run(self) -> None:
        """End what was begun; else take a request, if there is one. The gateway runs afterwards.

        It does so also if this fails, as by a full disk: then the next call ends it.
        """
        self._places.own.mkdir(mode=0o755, exist_ok=True)
        with self._lock():
            try:
                self._go_on()
            except Exception:
                self._machine.start_service()
                raise

    def _go_on(self) -> None:
        journal = self._load_journal()
        if journal is not None:
            log(f"the update to {journal.version} was interrupted while {journal.state}")
            self._recover(journal)
        elif (request := self._take_request()) is not None:
            self._attempt(request)
        else:
            self._machine.start_service()

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        with (self._places.own / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _take_request(self) -> Journal | None:
        """Return what is asked for, if that is sound: it is whatever the service has written."""
        content = self._machine.read_of_service("request.json", remove=True)
        if content is None:
            return None
        asked = _read_object(content)
        attempt, version, checks = asked.get("attempt"), asked.get("version"), asked.get("checks")
        if (
            not isinstance(attempt, str)
            or not isinstance(version, str)
            or not isinstance(checks, list)
            or len(checks) > _MAX_CHECKS
            or not _ATTEMPT.fullmatch(attempt)
            or not re.fullmatch(VERSION_PATTERN, version)
            or not all(isinstance(check, str) and _CHECK.fullmatch(check) for check in checks)
        ):
            log("the request of the service is not valid, and nothing is done")
            return None
        status = self._load_status(attempt)
        if status.get("outcome") in ("applied", "refused", "rolled_back"):
            log(f"the update to {version} was dealt with before")
            return None
        interruptions = status.get("interruptions", 0)
        return Journal(attempt, version, self._packages.installed(), tuple(checks), interruptions=interruptions)

    def _attempt(self, journal: Journal) -> None:
        machine, packages = self._machine, self._packages
        self._enter(journal)
        try:
            packages.configure()
            if journal.version == packages.installed():
                raise UpdateFailed("applied", "")
            self._check_room()
            package = self._fetch(journal)
            packages.prepare_install(package)
            journal = self._enter(replace(journal, state="stopping"))
            self._prepare(journal)
            machine.systemctl("stop", SERVICE)
            machine.as_owner(machine.copy_database)
        except UpdateFailed as failed:
            self._end(journal, failed.outcome, str(failed))
            return
        journal = self._enter(replace(journal, state="installing"))
        try:
            packages.install(package)
        except UpdateFailed as failed:
            self._return(journal, "rolled_back", f"it cannot be installed: {failed}")
            return
        journal = self._enter(replace(journal, state="proving", started=True))
        machine.start_service()
        problem = self._wait_for_verdict(journal)
        if problem is None:
            self._end(journal, "applied", "")
        else:
            self._return(journal, "rolled_back", problem)

    def _recover(self, journal: Journal) -> None:
        """End an update that was cut off: at a boot, or because this program was killed."""
        if journal.state == "ending":
            self._end(journal, journal.outcome, journal.reason)
        elif journal.state == "returning":
            self._return(journal, journal.outcome, journal.reason)
        elif journal.state in ("fetching", "stopping"):
            self._end(journal, "interrupted", _CUT)
        elif self._has_passed(journal):
            self._packages.configure()
            self._end(journal, "applied", "")
        else:
            self._return(journal, "interrupted", _CUT)

    def _has_passed(self, journal: Journal) -> bool:
        verdict = self._read_verdict(journal)
        return verdict is not None and verdict.passed and verdict.version == journal.version

    def _fetch(self, journal: Journal) -> Path:
        """Return the new version's package; see to it that the installed version's is there, too."""
        source = self._places.source
        if not source.is_file():
            raise UpdateFailed("refused", f"{source} is missing: it names the chain's repository and its key")
        self._packages.update_index()
        try:
            self._packages.download(journal.earlier)
        except UpdateFailed as failed:
            raise UpdateFailed(failed.outcome, f"there would be no way back: {failed}") from failed
        return self._packages.download(journal.version)

    def _check_room(self) -> None:
        database = self._places.database
        copied = database.lstat().st_size if database.exists() else 0
        for folder, needed in ((self._places.state, 2 * copied), (self._places.own, _RESERVE_BYTES)):
            free = shutil.disk_usage(folder).free
            if free < needed:
                text = f"{folder}: {free // 2**20} MiB are free, and an update needs {needed // 2**20}"
                raise UpdateFailed("refused", text)

    def _prepare(self, journal: Journal) -> None:
        """See to it that the next boot ends this update, and that the new version proves itself."""
        own, units = self._places.own, self._places.units
        modules = own / "program" / "gateway" / "updates"
        modules.mkdir(parents=True, exist_ok=True)
        for name in _MODULES:
            write(modules / name, Path(__file__).with_name(name).read_bytes(), 0o644)
        write(units / RECOVERY, RECOVERY_UNIT.format(folder=own / "program").encode(), 0o644)
        wanted = units / "multi-user.target.wants"
        wanted.mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (wanted / RECOVERY).symlink_to(f"../{RECOVERY}")
        sync(wanted)
        self._machine.as_owner(lambda: remove(self._places.work / "verdict.json"))
        pending = {"attempt": journal.attempt, "version": journal.version, "checks": journal.checks}
        write(own / "pending.json", json.dumps(pending).encode(), 0o644)

    def _wait_for_verdict(self, journal: Journal) -> str | None:
        """Wait until the new version says whether it serves; return why it does not, or None."""
        limits, began = self._limits, time.monotonic()
        proves_since: float | None = None
        while True:
            verdict = self._read_verdict(journal)
            if verdict is not None:
                if verdict.version == journal.version and verdict.passed:
                    return None
                return f"{verdict.version} does not work here: {verdict.reason}"
            shown: dict[str, str] = {}
            with contextlib.suppress(UpdateFailed):
                told = self._machine.systemctl("show", SERVICE, "--property=ActiveState", "--property=NRestarts")
                shown = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
            now = time.monotonic()
            if shown.get("ActiveState") == "active":
                proves_since = proves_since or now
            restarts = shown.get("NRestarts", "")
            if shown.get("ActiveState") == "failed" or (restarts.isdecimal() and int(restarts) >= limits.starts):
                return f"it does not start: journalctl -u {SERVICE} says why"
            if now - began > limits.start_s or (proves_since and now - proves_since > limits.proof_s):
                return "it did not say in time whether it works here"
            time.sleep(limits.poll_s)

    def _return(self, journal: Journal, outcome: Outcome, reason: str) -> None:
        """Go back to the earlier version, and to the copy of the database unless some version has served since."""
        journal = self._enter(replace(journal, state="returning", outcome=outcome, reason=reason))
        log(f"going back to {journal.earlier}: {reason}")
        with contextlib.suppress(UpdateFailed):
            self._machine.systemctl("stop", SERVICE)
        if not self._packages.install_again(journal.earlier):
            problem = f"{reason}; and {journal.earlier} cannot be installed again, so somebody has to look there"
            self._end(journal, "rolled_back", problem)
            return
        verdict = self._read_verdict(journal)
        if journal.started and (verdict is None or not verdict.served):
            try:
                self._machine.as_owner(self._machine.put_database_back)
            except UpdateFailed as failed:
                outcome, reason = "rolled_back", f"{reason}; and {failed}"
        self._end(journal, outcome, reason)

    def _end(self, journal: Journal, outcome: Outcome, reason: str) -> None:
        """Say what became of the update, and remove what was needed for it. Then the gateway starts."""
        own, units = self._places.own, self._places.units
        if outcome == "interrupted" and journal.state != "ending":
            journal = replace(journal, interruptions=journal.interruptions + 1)
            if journal.interruptions >= _MAX_INTERRUPTIONS:
                outcome, reason = "rolled_back", f"{reason}, {journal.interruptions} times"
        journal = self._enter(replace(journal, state="ending", outcome=outcome, reason=reason))
        shown = "".join(letter for letter in reason if letter.isprintable())[:_MAX_REASON]
        status = {
            "attempt": journal.attempt, "version": journal.version, "outcome": outcome, "reason": shown,
            "interruptions": journal.interruptions, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }  # fmt: skip
        write(own / "status.json", json.dumps(status).encode(), 0o644)
        for file in (own / "pending.json", units / "multi-user.target.wants" / RECOVERY, units / RECOVERY):
            remove(file)
        with contextlib.suppress(UpdateFailed):
            self._machine.as_owner(self._machine.remove_copy)
        self._packages.remove_unfinished(journal.version, journal.earlier)
        remove(own / "journal.json")
        log(f"the update to {journal.version}: {outcome} {shown}".rstrip())
        self._machine.start_service()

    def _load_status(self, attempt: str) -> dict[str, Any]:
        """Return what became of an update before; nothing if there was none, or another one since."""
        try:
            status = _read_object((self._places.own / "status.json").read_bytes())
        except FileNotFoundError:
            return {}
        return status if status.get("attempt") == attempt else {}

    def _read_verdict(self, journal: Journal) -> Verdict | None:
        told = _read_object(self._machine.read_of_service("verdict.json") or b"")
        if told.get("attempt") != journal.attempt:
            return None
        version, reason = (told[key] if isinstance(told.get(key), str) else "" for key in ("version", "reason"))
        return Verdict(version, told.get("passed") is True, told.get("served") is True, reason)

    def _enter(self, journal: Journal) -> Journal:
        """Remember how far the update is, before anything more is done."""
        write(self._places.own / "journal.json", json.dumps(asdict(journal)).encode(), 0o600)
        return journal

    def _load_journal(self) -> Journal | None:
        try:
            content = (self._places.own / "journal.json").read_bytes()
        except FileNotFoundError:
            return None
        stored = _read_object(content)
        return Journal(**{**stored, "checks": tuple(stored["checks"])})


def _read_object(content: bytes) -> dict[str, Any]:
    """Return a JSON object; an empty one for anything else."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def main() -> None:
    """Run the installer of this machine."""
    Installer().run()
