"""Replacing the state of a directory as a whole: a kill at any moment leaves the old state or the new one.

The new state is made complete in a folder within the state directory. Then a plan is written, and from then on each
file is moved: the old ones aside, the new ones to their places. Where a file is tells what is left to be done, so a
process that was killed is continued by the next one that holds the directory.
"""

import contextlib
import json
import logging
import os
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from firmware_tools.language import describe_error, message
from gateway.errors import StateError
from gateway.storage.private_file import find_free_name, sync_folder, write_private
from gateway.storage.state_directory import DATABASE_FILE, PROCESS_FILES

STAGE_FOLDER: Final = "restoring"
"""The folder in the state directory that holds what is on its way into it."""
REPLACED: Final = "replaced"
"""How the folders begin into which old states are moved."""
OUTCOME_FILE: Final = "restoration.json"
"""What became of the last state that waited for a start."""

_NEW_STAGE: Final = f"{STAGE_FOLDER}.new"
"""The staging folder while it is made: it belongs to the directory's owner from its first moment on."""
_NEW: Final = "new"
"""The folder within the staging folder that holds the new state."""
_PLAN: Final = "plan.json"
_WAITING: Final = "waiting.json"
_MAX_BYTES: Final = 1024 * 1024

_log = logging.getLogger(__name__)

_Model = TypeVar("_Model")
_Name = Annotated[str, Field(pattern=r"^[^/\\]+$", max_length=255)]


@dataclass(frozen=True, slots=True)
class Plan:
    """The moves that replace a state."""

    aside: _Name
    """The folder into which the old files are moved."""
    old: list[_Name]
    """What is moved aside."""
    new: list[_Name]
    """What is moved to its place, in this order."""


@dataclass(frozen=True, slots=True)
class WaitingState:
    """A state that is complete and waits: for a person's confirmation, then for a start."""

    made_at: str
    """When the backup was made, as the REST API shows times."""
    version: str
    """The gateway's version that made it."""
    account: str
    """The account at the cloud in the settings of the backup; empty if it has none."""
    counts: dict[str, int]
    """How many rows of each kind it has."""
    held: int
    """How many calls wait in it, which are held."""
    settings_problem: str = ""
    """Why the settings in it that were changed in the console do not count."""
    who: str = ""
    """The session that confirmed it."""
    confirmed: bool = False
    """Whether the next start puts it in its place."""
    labels: int = 0
    """How many shelf labels are drawn again, whose pictures are held as well."""


@dataclass(frozen=True, slots=True)
class ReplacementOutcome:
    """What became of a state that waited for a start."""

    state: WaitingState
    """The state."""
    ended_at: int
    """When, in Unix seconds."""
    aside: str = ""
    """The folder that holds the earlier state; empty if there was none."""
    problem: str = ""
    """Why the earlier state is still in its place; empty if it was replaced."""
    recorded: bool = False
    """Whether the audit log has it."""


def list_state(directory: Path) -> list[Path]:
    """Return what belongs to the state in a directory, and is moved aside with it. Raises `OSError`."""
    others = {*PROCESS_FILES, STAGE_FOLDER, _NEW_STAGE, OUTCOME_FILE}
    return [one for one in directory.iterdir() if one.name not in others and not one.name.startswith(f"{REPLACED}-")]


def has_stage(directory: Path) -> bool:
    """Return whether there is anything for `finish_replacement` to do."""
    return (directory / STAGE_FOLDER).exists()


def create_stage(directory: Path) -> Path:
    """Return a new empty folder for a state; what was there before is deleted. Raises `OSError`."""
    _remove_stage(directory)
    made = directory / _NEW_STAGE
    shutil.rmtree(made, ignore_errors=True)
    for folder in (made, made / _NEW):
        folder.mkdir(mode=0o700)
        _give_to_owner(directory, folder)
    made.rename(directory / STAGE_FOLDER)
    return directory / STAGE_FOLDER / _NEW


def clear_stage(directory: Path) -> None:
    """Delete a state that is on its way, unless it is being put in its place. Raises `OSError`."""
    if not (directory / STAGE_FOLDER / _PLAN).exists():
        _remove_stage(directory)


def save_waiting(directory: Path, state: WaitingState) -> None:
    """Write the staged files to the disk and mark them as a state that waits. Raises `OSError`."""
    _sync_stage(directory)
    write_private(directory / STAGE_FOLDER / _WAITING, json.dumps(asdict(state)).encode())


def load_waiting(directory: Path) -> WaitingState | None:
    """Return the state that waits in a directory; None if there is none, or its description is damaged."""
    return _load(directory / STAGE_FOLDER / _WAITING, WaitingState)


def save_outcome(directory: Path, outcome: ReplacementOutcome) -> None:
    """Keep what became of the last state that waited. Raises `OSError`."""
    write_private(directory / OUTCOME_FILE, json.dumps(asdict(outcome)).encode())


def load_outcome(directory: Path) -> ReplacementOutcome | None:
    """Return what became of the last state that waited for a start; None if there is nothing to say."""
    return _load(directory / OUTCOME_FILE, ReplacementOutcome)


def replace_state(directory: Path) -> Path | None:
    """Put the staged state in its place; return the folder with the earlier one. The caller holds the directory.

    Raises `OSError`, and the earlier state is in its place then; `StateError` where it cannot be put back.
    """
    aside = _carry_out(directory, _make_plan(directory))
    _remove_stage(directory)
    return aside


def finish_replacement(directory: Path, *, begins_waiting: bool = True) -> bool:
    """Continue a replacement that was cut off, or begin one that waits; return whether there is another state now.

    The caller holds the directory. Whatever else is staged is deleted. A waiting state that cannot be put in its place
    is deleted, and its outcome says why. Without `begins_waiting` nothing is begun or deleted. Raises `StateError`
    where a replacement can be neither ended nor undone.
    """
    if not has_stage(directory):
        return False
    stage = directory / STAGE_FOLDER
    replaced = False
    try:
        waiting, plan = load_waiting(directory), _load_plan(directory)
        if plan is None and not begins_waiting:
            return False
        if plan is not None or (waiting is not None and waiting.confirmed):
            aside, problem = None, ""
            try:
                aside = _carry_out(directory, plan or _make_plan(directory))
                replaced = True
                _log.warning("the state was replaced by a restored one; the earlier one is in %s", aside)
            except OSError as exc:
                problem = describe_error(exc)
                _log.error("the restored state could not be put in its place, and the earlier one stays: %s", problem)
            if waiting is not None:
                name = "" if aside is None else aside.name
                outcome = ReplacementOutcome(waiting, int(time.time()), name, problem)
                write_private(stage / OUTCOME_FILE, json.dumps(asdict(outcome)).encode())
                (stage / OUTCOME_FILE).replace(directory / OUTCOME_FILE)
                sync_folder(directory)
        _remove_stage(directory)
    except (OSError, ValidationError) as exc:
        raise StateError(
            message("{path}: the restoration cannot be ended: {reason}", path=directory, reason=describe_error(exc))
        ) from exc
    return replaced


def _make_plan(directory: Path) -> Plan:
    """Write down the moves that put the staged state in its place. From then on they are made. Raises `OSError`."""
    stage = directory / STAGE_FOLDER
    new = sorted((one.name for one in (stage / _NEW).iterdir()), key=lambda name: name == DATABASE_FILE)
    if DATABASE_FILE not in new:
        raise StateError(message("{path} holds no whole state", path=stage))
    plan = Plan(find_free_name(directory / REPLACED).name, [one.name for one in list_state(directory)], new)
    draft = stage / f"{_PLAN}.new"
    write_private(draft, json.dumps(asdict(plan)).encode())
    _sync_stage(directory)
    draft.rename(stage / _PLAN)
    sync_folder(stage)
    return plan


def _load_plan(directory: Path) -> Plan | None:
    """Return the plan that is being carried out. Raises `OSError` and `ValidationError`: nothing can be done then."""
    try:
        return TypeAdapter(Plan).validate_json((directory / STAGE_FOLDER / _PLAN).read_bytes())
    except FileNotFoundError:
        return None


def _remove_stage(directory: Path) -> None:
    stage = directory / STAGE_FOLDER
    if not stage.exists():
        return
    for name in (_WAITING, _PLAN):  # in this order: without a plan, a state that waits would be put in its place again
        (stage / name).unlink(missing_ok=True)
        sync_folder(stage)
    shutil.rmtree(stage)


def _carry_out(directory: Path, plan: Plan) -> Path | None:
    """Make the moves that are left. Raises as `replace_state` does."""
    try:
        return _move_in(directory, plan)
    except OSError:
        try:
            _move_back(directory, plan)
        except OSError as exc:
            raise StateError(
                message(
                    "{path}: the restoration can be neither ended nor undone: {reason}; the earlier state "
                    "is in {aside}",
                    path=directory,
                    reason=describe_error(exc),
                    aside=plan.aside,
                )
            ) from exc
        raise


def _move_in(directory: Path, plan: Plan) -> Path | None:
    aside, new = directory / plan.aside, directory / STAGE_FOLDER / _NEW
    if plan.old:
        aside.mkdir(mode=0o700, exist_ok=True)
        _give_to_owner(directory, aside)
        for name in plan.old:
            # Once its successor has left the stage, a file of this name is the successor itself.
            is_old = name not in plan.new or os.path.lexists(new / name)
            if is_old and os.path.lexists(directory / name) and not os.path.lexists(aside / name):
                (directory / name).rename(aside / name)
        sync_folder(aside)
        sync_folder(directory)
    for name in plan.new:
        if os.path.lexists(new / name):
            (new / name).replace(directory / name)
    sync_folder(new)
    sync_folder(directory)
    return aside if plan.old else None


def _move_back(directory: Path, plan: Plan) -> None:
    aside, new = directory / plan.aside, directory / STAGE_FOLDER / _NEW
    for name in reversed(plan.new):
        if not os.path.lexists(new / name):
            (directory / name).replace(new / name)
    for name in plan.old:
        if os.path.lexists(aside / name):
            (aside / name).replace(directory / name)
    if aside.exists():
        aside.rmdir()
    sync_folder(directory)
    (directory / STAGE_FOLDER / _PLAN).unlink()
    sync_folder(directory / STAGE_FOLDER)


def _sync_stage(directory: Path) -> None:
    """Write what is staged to the disk, and give it to the owner of the directory."""
    stage = directory / STAGE_FOLDER
    for path in [*stage.rglob("*"), stage, *(directory / name for name in PROCESS_FILES)]:
        with contextlib.suppress(FileNotFoundError):
            _give_to_owner(directory, path)
    for path in stage.rglob("*"):
        if path.is_dir():
            sync_folder(path)
        else:
            with path.open("r+b") as stream:
                os.fsync(stream.fileno())
    sync_folder(stage)
    sync_folder(directory)


def _give_to_owner(directory: Path, path: Path) -> None:
    """Give a file to the owner of the directory, where root restores for a service."""
    owner, own = directory.stat(), path.lstat()
    if (owner.st_uid, owner.st_gid) != (own.st_uid, own.st_gid):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _load(file: Path, model: type[_Model]) -> _Model | None:
    """Return what a file says; None if there is no such file. One that is damaged counts as none."""
    try:
        with file.open("rb") as stream:
            return TypeAdapter(model).validate_json(stream.read(_MAX_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as exc:
        _log.error("%s cannot be read: %s", file, exc)
        return None
