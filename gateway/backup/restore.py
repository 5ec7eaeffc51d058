"""Restoring a backup: nothing that is there is lost, and a person decides when old calls are sent."""

import asyncio
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import tomlkit
from tomlkit.exceptions import TOMLKitError

from firmware_tools.language import message
from gateway.backup import archive
from gateway.backup.archive import FILES, SETTINGS, STATE, Contents
from gateway.changed_settings import set_aside_invalid
from gateway.errors import SettingsError, StateError
from gateway.labels.label_health_table import forget_shown
from gateway.outbox.table import hold
from gateway.settings import Settings, load_settings, parse_settings
from gateway.storage import health, migrations
from gateway.storage.database import Database
from gateway.storage.private_file import copy_rights, find_free_name, write_private
from gateway.storage.state_directory import CHANGED_SETTINGS_FILE, DATABASE_FILE, StateDirectory
from gateway.storage.state_replacement import (
    REPLACED,
    clear_stage,
    create_stage,
    finish_replacement,
    list_state,
    replace_state,
)

_FILE_NAME: Final = re.compile(
    r"[A-Za-z0-9_][A-Za-z0-9_-]*\.(pem|crt|cer|key|p12|pfx|ttf|ttc|otf)|[A-Za-z0-9_-]*(secret|password)[A-Za-z0-9_-]*(\.txt)?"
)
"""How files are named that hold a certificate, a key, a font or a secret."""
_MAX_CHECK_S: Final = 300.0


async def restore_backup(file: Path, settings_file: Path, *, replace: bool) -> dict[str, Any]:
    """Restore settings and state; return where they are, how many calls are held, and what was moved aside.

    The state goes into the directory of this machine's settings, whatever the archive says, and they keep naming it.

    Raises `StateError`, and nothing is changed then: a gateway runs, the archive is damaged or newer than this version,
    or `replace` is false where other settings or another state exist. What is replaced is moved aside. Raises
    `SettingsError` where the settings of this machine or those in the archive are wrong.
    """
    contents = check_archive(file)
    own = _load_own_settings(settings_file)
    text, new = None, own
    if contents.settings is not None:
        where = message("the settings in {file}", file=file)
        text = _keep_directory(contents.settings, settings_file, where)
        new = parse_settings(text, where, with_secret=False)
    directory = StateDirectory.acquire(own.state_directory, gives_to_owner=True)
    try:
        finish_replacement(directory.path, begins_waiting=False)
        restoration = _Restoration(file, contents, text, directory.path, settings_file, new, replace=replace)
        return await restoration.run()
    except OSError as exc:
        raise StateError(
            message(
                "{file}: cannot be restored: {filename} {reason}",
                file=file,
                filename=exc.filename or "",
                reason=exc,
            )
        ) from exc
    finally:
        directory.release()


def check_archive(file: Path) -> Contents:
    """Read a whole archive and return what is in it.

    Raises `StateError` where it cannot be read, is damaged, or newer than this version.
    """
    try:
        contents = archive.verify(file)
    except OSError as exc:
        raise StateError(message("{file} cannot be read: {reason}", file=file, reason=exc)) from exc
    manifest = contents.manifest
    known = {migration.name for migration in migrations.load_packaged()}
    if newer := [name for name in manifest.schema if name not in known]:
        raise StateError(
            message(
                "{file} was made by version {version}, whose database this version does not know "
                "({newer}): install that version or a later one",
                file=file,
                version=manifest.version,
                newer=newer[0],
            )
        )
    return contents


class PreparedState(NamedTuple):
    """The state of an archive, made ready for a directory."""

    folder: Path
    """The staging folder that holds it."""
    held: int
    """How many calls wait in it, which are held."""
    labels: int
    """How many shelf labels are drawn again, and pushed when the hold is released."""
    rows: Mapping[str, int]
    """How many rows each table has."""
    settings_problem: str
    """Why the settings that were changed in the console do not count; empty if they do."""


async def prepare_state(file: Path, contents: Contents, directory: Path, settings: Settings) -> PreparedState:
    """Extract the state of an archive into the staging folder of a directory, check it, and hold its calls.

    `settings` are those that it is used with, apart from those changed in the console. Raises `StateError` where there
    is no room or the database is damaged, and `OSError`.
    """
    if shutil.disk_usage(directory).free < contents.database_bytes:
        raise StateError(
            message(
                "{path}: the disk has no room for {database_bytes} bytes",
                path=directory,
                database_bytes=contents.database_bytes,
            )
        )
    folder = create_stage(directory)
    await asyncio.to_thread(archive.extract, file, contents.manifest, STATE, folder)
    held, labels, rows = await _prepare_database(folder / DATABASE_FILE)
    return PreparedState(folder, held, labels, rows, set_aside_invalid(settings, folder / CHANGED_SETTINGS_FILE))


def _load_own_settings(settings_file: Path) -> Settings:
    """Return this machine's settings as they are before the restoration. Raises `SettingsError`."""
    return load_settings(settings_file if settings_file.exists() else None, with_secret=False)


def _keep_directory(text: str, settings_file: Path, where: str) -> str:
    """Return the settings of an archive with the `storage.directory` of this machine's file. Raises `SettingsError`."""
    parse_settings(text, where, with_secret=False)
    try:
        document = tomlkit.parse(text)
        own = tomlkit.parse(settings_file.read_text(encoding="utf-8") if settings_file.exists() else "")
    except (TOMLKitError, RecursionError) as exc:
        raise SettingsError(message("{where}: is not valid TOML: {reason}", where=where, reason=exc)) from exc
    storage: Any = document.get("storage", {})
    own_storage: Any = own.get("storage", {})
    if storage.get("directory") == own_storage.get("directory"):
        return text
    if "directory" in own_storage:
        document.setdefault("storage", tomlkit.table())["directory"] = str(own_storage["directory"])
    else:
        del storage["directory"]
    return tomlkit.dumps(document)


class _Restoration:
    """One restoration into a state directory that this process holds."""

    def __init__(
        self,
        file: Path,
        contents: Contents,
        settings: str | None,
        directory: Path,
        settings_file: Path,
        new_settings: Settings,
        *,
        replace: bool,
    ) -> None:
        self._file = file
        self._contents = contents
        self._manifest = contents.manifest
        self._settings = settings
        self._directory = directory
        self._settings_file = settings_file
        self._replace = replace
        self._new_settings = new_settings
        """The settings that the next start reads, apart from those changed in the console."""
        self._moved_aside: list[str] = []
        self._left_out: dict[str, str] = {}
        """Files that were not restored: their paths, by setting."""

    async def run(self) -> dict[str, Any]:
        self._check_old_state()
        with tempfile.TemporaryDirectory(prefix="sunmi-gateway-") as folder:
            files = self._read_files(Path(folder))
        try:
            prepared = await prepare_state(self._file, self._contents, self._directory, self._new_settings)
            self._write_files(files)
            if (aside := replace_state(self._directory)) is not None:
                self._moved_aside.append(str(aside))
        finally:
            clear_stage(self._directory)
        return {
            "restored": str(self._file),
            "made_at": self._manifest.created_at,
            "settings": str(self._settings_file) if SETTINGS in self._manifest.members else None,
            "directory": str(self._directory),
            "held": prepared.held,
            "labels": prepared.labels,
            "put_aside": self._moved_aside,
            "left_out": self._left_out,
            "changed_settings": prepared.settings_problem or None,
        }

    def _check_old_state(self) -> None:
        """Raise `StateError` where there is a state that may not be moved aside."""
        old = list_state(self._directory)
        if old and not self._replace:
            raise StateError(
                message(
                    "{directory} holds a state already; --replace puts it aside, into the folder {replaced}-1 there",
                    directory=self._directory,
                    replaced=REPLACED,
                )
            )
        was_interrupted = (self._directory / f"{REPLACED}-1").exists()
        if old and not was_interrupted and not (self._directory / DATABASE_FILE).exists():
            raise StateError(
                message(
                    "{directory} holds files of something else than a gateway; name another directory",
                    directory=self._directory,
                )
            )

    def _read_files(self, folder: Path) -> dict[Path, bytes]:
        """Return the new content of the settings file and of the files that it names, where they differ.

        A file is restored only beside the settings, and only under a name that says what it is: an archive does not
        choose what it writes. Raises `StateError` where other files exist and may not be replaced.
        """
        archive.extract(self._file, self._manifest, FILES, folder)
        files = {}
        for setting, named in self._manifest.named.items():
            path = Path(named)
            content = (folder / setting).read_bytes()
            if path.is_file() and path.read_bytes() == content:
                continue
            if self._may_write(path):
                files[path] = content
            else:
                self._left_out[setting] = named
        if self._settings is not None:
            files[self._settings_file] = self._settings.encode()
        changed = {path: text for path, text in files.items() if not (path.exists() and path.read_bytes() == text)}
        for path in changed:
            if path.exists() and not self._replace:
                raise StateError(
                    message(
                        "{path} exists with other content; --replace puts it aside, as {name}.{replaced}-1",
                        path=path,
                        name=path.name,
                        replaced=REPLACED,
                    )
                )
        return changed

    def _may_write(self, path: Path) -> bool:
        """Return whether a file that settings name may be written there."""
        settings_file = self._settings_file.absolute()
        return path.parent == settings_file.parent and path != settings_file and bool(_FILE_NAME.fullmatch(path.name))

    def _write_files(self, files: dict[Path, bytes]) -> None:
        rights = self._settings_file.stat() if self._settings_file.exists() else None
        for path, content in files.items():
            is_new = not path.exists()
            if not is_new:
                aside = find_free_name(path.with_name(f"{path.name}.{REPLACED}"))
                write_private(aside, path.read_bytes())
                copy_rights(path.stat(), aside)
                self._moved_aside.append(str(aside))
            write_private(path, content)
            if is_new and rights is not None:
                copy_rights(rights, path)


async def _prepare_database(path: Path) -> tuple[int, int, Mapping[str, int]]:
    """Bring a restored database to this version's schema and hold its calls.

    Return how many calls wait, how many labels are to be drawn again, and its rows.

    Raises `StateError`, also for a damaged database.
    """
    found = await asyncio.to_thread(health.examine, path, limit_s=_MAX_CHECK_S)
    if found.damage is not None:
        raise StateError(message("the database in the archive is damaged ({damage})", damage=found.damage))
    database = await Database.open(path)
    try:
        waiting, labels = await database.transact(_mark_restored)
    finally:
        await database.close()
    for copy in path.parent.glob(f"{path.name}.before-*"):
        copy.unlink()
    return waiting, labels, found.rows


def _mark_restored(connection: sqlite3.Connection) -> tuple[int, int]:
    migrations.mark_rewound(connection)
    labels = forget_shown(connection)
    return hold(connection, more_to_come=labels > 0), labels
