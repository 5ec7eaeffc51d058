"""Creating a backup, whether or not the gateway runs."""

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from firmware_tools.language import message
from gateway import __version__
from gateway.backup import archive
from gateway.backup.archive import DATABASE, FILES, SETTINGS, STATE, TEMPLATES, Manifest
from gateway.errors import StateError
from gateway.runtime.timestamps import utc_text
from gateway.settings import FILE_SETTINGS, Settings
from gateway.storage.backup import copy_database, load_migrations
from gateway.storage.state_directory import LABEL_TEMPLATES_FOLDER, STATE_FILES, StateDirectory


def create_backup(settings: Settings, settings_file: Path | None, target: Path) -> dict[str, Any]:
    """Write settings and state, with their secrets, into a new file (0600); return what is in it.

    The database is as it was at one moment. Raises `StateError`, also where the file exists.
    """
    directory = settings.state_directory
    try:
        if target.exists():
            raise StateError(
                message("{target} exists: name a new file, for example with the date in it", target=target)
            )
        if not StateDirectory.database_in(directory).exists():
            raise StateError(
                message("{directory} holds no gateway's state: there is nothing to back up", directory=directory)
            )
        with tempfile.TemporaryDirectory(prefix=".sunmi-gateway-", dir=target.absolute().parent) as folder:
            file_settings = _find_file_settings(settings)
            sources = {SETTINGS: settings_file} if settings_file is not None else {}
            sources |= {f"{FILES}{setting}": Path(path) for setting, path in file_settings.items()}
            for name in STATE_FILES:
                if (directory / name).is_file():
                    sources[f"{STATE}{name}"] = directory / name
            sources |= _find_templates(directory / LABEL_TEMPLATES_FOLDER)
            copies = _copy(sources, StateDirectory.database_in(directory), Path(folder))
            members = {}
            for name, copy in copies.items():
                with copy.open("rb") as content:
                    members[name] = archive.compute_sha256(content)
            schema = load_migrations(copies[DATABASE])
            manifest = Manifest(__version__, utc_text(time.time()), schema, file_settings, members)
            archive.write(target, manifest, copies)
            return {"backup": str(target), "bytes": target.stat().st_size, "files": sorted(members)}
    except OSError as exc:
        raise StateError(
            message("{target}: the backup cannot be written: {reason}", target=target, reason=exc)
        ) from exc


def _find_file_settings(settings: Settings) -> dict[str, str]:
    """Return the paths of the files that settings name, by `section.key`.

    A font that is gone stops no backup: without it only labels are not drawn, and the doctor says so. Files of the
    state directory are state.
    """
    paths = {f"{section}.{key}": getattr(getattr(settings, section), key) for section, key in FILE_SETTINGS}
    if not Path(settings.labels.font).is_file():
        del paths["labels.font"]
    state = settings.state_directory
    return {setting: path for setting, path in paths.items() if path and Path(path).parent != state}


def _find_templates(folder: Path) -> dict[str, Path]:
    """Return the shop's templates of labels, by member. Files that no label can be drawn by are left out."""
    files = {f"{TEMPLATES}{path.name}": path for path in sorted(folder.glob("*.toml"))}
    return {
        name: path
        for name, path in files.items()
        if archive.may_hold(name) and path.is_file() and path.stat().st_size <= archive.find_limit(name)
    }


def _copy(sources: dict[str, Path], database: Path, folder: Path) -> dict[str, Path]:
    """Copy the files into a folder, where they do not change any more; return the copies by member.

    Raises `OSError`, and `StateError` for a file that is too large.
    """
    copies = {}
    for number, (name, source) in enumerate(sources.items()):
        copies[name] = folder / str(number)
        if source == database:
            copy_database(source, copies[name])
        elif (size := source.stat().st_size) > (limit := archive.find_limit(name)):
            raise StateError(
                message(
                    "{source} has {size} bytes; a backup takes files of at most {max_file_bytes}",
                    source=source,
                    size=size,
                    max_file_bytes=limit,
                )
            )
        else:
            shutil.copyfile(source, copies[name])
    return copies
