"""Making a backup, of a gateway that runs or not."""

import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway import __version__
from gateway.backup import archive
from gateway.backup.archive import FILES, SETTINGS, STATE, Manifest
from gateway.errors import StateError
from gateway.runtime.timestamps import utc_text
from gateway.settings import FILE_SETTINGS, Settings
from gateway.storage import backup as database
from gateway.storage.state_directory import PASSING, StateDirectory


def make(settings: Settings, settings_file: Path | None, target: Path) -> dict[str, Any]:
    """Write settings and state, with their secrets, into a new file (0600); return what is in it.

    The database is as it was at one moment. Raises `StateError`, also where the file exists.
    """
    directory = settings.state_directory
    if target.exists():
        raise StateError(f"{target} exists: name a new file, for example with the date in it")
    if not StateDirectory.database_in(directory).exists():
        raise StateError(f"{directory} holds no gateway's state: there is nothing to back up")
    try:
        with tempfile.TemporaryDirectory(prefix=".sunmi-gateway-", dir=target.absolute().parent) as folder:
            named, sources = _gathered(settings, settings_file, directory, Path(folder))
            members = {}
            for name, source in sources.items():
                with source.open("rb") as content:
                    members[name] = archive.digest(content)
            schema = database.schema(sources[f"{STATE}gateway.db"])
            made = Manifest(__version__, utc_text(time.time()), schema, named, members)
            archive.write(target, made, sources)
            return {"backup": str(target), "bytes": target.stat().st_size, "files": sorted(members)}
    except OSError as exc:
        raise StateError(f"{target}: the backup cannot be written: {exc.strerror or exc}") from exc


def _gathered(
    settings: Settings, settings_file: Path | None, directory: Path, folder: Path
) -> tuple[dict[str, str], dict[str, Path]]:
    """Copy what is to be kept into a folder, so that it holds still; return named paths, and the copies by member."""
    sources = {}
    named = {}
    wanted = {SETTINGS: settings_file} if settings_file is not None else {}
    for section, key in FILE_SETTINGS:
        path = getattr(getattr(settings, section), key)
        if path and not Path(path).resolve().is_relative_to(directory.resolve()):
            named[f"{section}.{key}"] = path
            wanted[f"{FILES}{section}.{key}"] = Path(path)
    wanted |= {f"{STATE}{one.relative_to(directory).as_posix()}": one for one in _state_files(directory)}
    for number, (name, source) in enumerate(wanted.items()):
        copy = folder / str(number)
        if source == StateDirectory.database_in(directory):
            database.copy(source, copy)
        else:
            shutil.copyfile(source, copy)
        sources[name] = copy
    return named, sources


def _state_files(directory: Path) -> Iterator[Path]:
    """Yield the files that are state, the database first: no locks and sockets, no logs, no copies of the past."""
    path = StateDirectory.database_in(directory)
    yield path
    sides = {path.name + side for side in ("-wal", "-shm", "-schema")}
    for file in sorted(directory.rglob("*")):
        top = file.relative_to(directory).parts[0]
        passing = top in PASSING or top in sides or top.startswith((f"{path.name}.before-", "replaced-", "restoring"))
        if file != path and not passing and stat.S_ISREG(file.lstat().st_mode):
            yield file
