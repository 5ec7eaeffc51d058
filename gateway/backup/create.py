"""Creating a backup, whether or not the gateway runs."""

import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from gateway import __version__
from gateway.backup import archive
from gateway.backup.archive import FILES, SETTINGS, STATE, Manifest
from gateway.errors import StateError
from gateway.runtime.timestamps import utc_text
from gateway.settings import FILE_SETTINGS, Settings
from gateway.storage.backup import copy_database, load_migrations
from gateway.storage.state_directory import PROCESS_FILES, StateDirectory

_EXCLUDED_FOLDERS: Final = ("replaced-", "restoring")
"""How the folders of a restoration begin, in the state directory."""


def create_backup(settings: Settings, settings_file: Path | None, target: Path) -> dict[str, Any]:
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
            file_settings = _find_file_settings(settings)
            sources = {SETTINGS: settings_file} if settings_file is not None else {}
            sources |= {f"{FILES}{setting}": Path(path) for setting, path in file_settings.items()}
            for file in _find_state_files(directory):
                sources[f"{STATE}{file.relative_to(directory).as_posix()}"] = file
            copies = _copy(sources, StateDirectory.database_in(directory), Path(folder))
            members = {}
            for name, copy in copies.items():
                with copy.open("rb") as content:
                    members[name] = archive.compute_sha256(content)
            schema = load_migrations(copies[f"{STATE}gateway.db"])
            manifest = Manifest(__version__, utc_text(time.time()), schema, file_settings, members)
            archive.write(target, manifest, copies)
            return {"backup": str(target), "bytes": target.stat().st_size, "files": sorted(members)}
    except OSError as exc:
        raise StateError(f"{target}: the backup cannot be written: {exc.strerror or exc}") from exc


def _find_file_settings(settings: Settings) -> dict[str, str]:
    """Return the paths of the files outside the state directory that settings name, by `section.key`."""
    directory = settings.state_directory.resolve()
    paths = {f"{section}.{key}": getattr(getattr(settings, section), key) for section, key in FILE_SETTINGS}
    return {
        setting: path for setting, path in paths.items() if path and not Path(path).resolve().is_relative_to(directory)
    }


def _find_state_files(directory: Path) -> Iterator[Path]:
    """Yield the files that are state: no locks and sockets, no logs, and no databases of the past."""
    database = StateDirectory.database_in(directory)
    yield database
    for file in sorted(directory.rglob("*")):
        top = file.relative_to(directory).parts[0]
        excluded = top in PROCESS_FILES or top.startswith((database.name, *_EXCLUDED_FOLDERS))
        if not excluded and stat.S_ISREG(file.lstat().st_mode):
            yield file


def _copy(sources: dict[str, Path], database: Path, folder: Path) -> dict[str, Path]:
    """Copy the files into a folder, where they do not change any more; return the copies by member."""
    copies = {}
    for number, (name, source) in enumerate(sources.items()):
        copies[name] = folder / str(number)
        if source == database:
            copy_database(source, copies[name])
        else:
            shutil.copyfile(source, copies[name])
    return copies
