"""What the service and the installer of updates say to each other, in files.

The installer's folder is root's, and the service only reads it. The service writes into its own state directory, and
the installer trusts nothing there.
"""

import json
import logging
import os
from pathlib import Path
from typing import Annotated, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from firmware_tools.language import message
from gateway.errors import StateError
from gateway.storage.private_file import write_private
from gateway.storage.state_directory import UPDATE_FOLDER
from gateway.updates.machine import MAX_BYTES, VERSION_PATTERN, Outcome

FOLDER_VARIABLE: Final = "SUNMI_GATEWAY_UPDATES"
"""The variable that names the installer's folder; the unit of the Debian package sets it."""
STATE_VARIABLE: Final = "STATE_DIRECTORY"
"""Where systemd says that the state directory is; the installer knows no other one."""

_log: Final = logging.getLogger(__name__)
_Document = TypeVar("_Document", bound=BaseModel)

Attempt = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
"""Which wish of the head office an update answers."""


class PendingUpdate(BaseModel):
    """An update that is under way: the version that is to prove itself when it starts."""

    model_config = ConfigDict(frozen=True)

    attempt: Attempt
    version: str = Field(pattern=f"^{VERSION_PATTERN}$")
    checks: tuple[str, ...]
    """The checks that it has to pass."""


class UpdateStatus(BaseModel):
    """What became of the last update."""

    model_config = ConfigDict(frozen=True)

    attempt: Attempt
    version: str
    outcome: Outcome
    reason: str
    time: str


class _Verdict(BaseModel):
    attempt: str
    version: str
    passed: bool
    served: bool = False
    reason: str = ""


def find_folder() -> Path | None:
    """Return the folder of the installer of updates; None where there is no installer."""
    folder = os.environ.get(FOLDER_VARIABLE)
    return None if folder is None else Path(folder)


def load_pending(folder: Path | None) -> PendingUpdate | None:
    """Return the update that is under way; None if there is none."""
    return None if folder is None else _load(folder / "pending.json", PendingUpdate)


def load_status(folder: Path) -> UpdateStatus | None:
    """Return what became of the last update; None if there was none."""
    return _load(folder / "status.json", UpdateStatus)


def write_request(state: Path, attempt: str, version: str, checks: tuple[str, ...]) -> None:
    """Ask the installer for a version. Raises `StateError`."""
    request = {"attempt": attempt, "version": version, "checks": checks}
    _write(state / UPDATE_FOLDER / "request.json", request)


def has_request(state: Path) -> bool:
    """Return whether a request waits for the installer."""
    file = state / UPDATE_FOLDER / "request.json"
    return file.exists()


def is_at_work(folder: Path) -> bool:
    """Return whether the installer has an update under way."""
    return (folder / "journal.json").exists()


def has_passed(state: Path, pending: PendingUpdate) -> bool:
    """Return whether the version of an update has proved itself before."""
    verdict = _load(state / UPDATE_FOLDER / "verdict.json", _Verdict)
    return verdict is not None and verdict.attempt == pending.attempt and verdict.passed


def write_verdict(state: Path, pending: PendingUpdate, version: str, *, serves: bool, reason: str = "") -> None:
    """Say, for good, whether this version serves, before it does. Raises `StateError`.

    From the first version on that serves, nobody returns to the copy of the database.
    """
    file = state / UPDATE_FOLDER / "verdict.json"
    before = _load(file, _Verdict)
    served = serves or (before is not None and before.attempt == pending.attempt and before.served)
    passed = serves and version == pending.version
    verdict = _Verdict(attempt=pending.attempt, version=version, passed=passed, served=served, reason=reason[:1000])
    _write(file, verdict.model_dump())


def _write(file: Path, document: object) -> None:
    try:
        file.parent.mkdir(mode=0o700, exist_ok=True)
        write_private(file, json.dumps(document).encode())
    except OSError as exc:
        raise StateError(message("{file}: cannot be written: {reason}", file=file, reason=exc)) from exc


def _load(file: Path, model: type[_Document]) -> _Document | None:
    """Return what a file says; None if there is none. One that is damaged counts as none."""
    try:
        with file.open("rb") as stream:
            return model.model_validate_json(stream.read(MAX_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as exc:
        _log.error("%s cannot be read: %s", file, exc)
        return None
