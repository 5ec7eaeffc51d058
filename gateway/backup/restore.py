"""Restoring a backup: nothing that is there is lost, and a person decides when old calls are sent."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

from gateway.backup import archive
from gateway.backup.archive import FILES, SETTINGS, STATE, Manifest
from gateway.errors import StateError
from gateway.settings import load_settings, parse_settings
from gateway.storage import backup as database
from gateway.storage.private_file import next_free, take_over, write_private
from gateway.storage.state_directory import PASSING, StateDirectory

_STAGE: Final = "restoring"
_REPLACED: Final = "replaced"


async def restore(file: Path, settings_file: Path, *, replace: bool) -> dict[str, Any]:
    """Bring settings and state back; return where they are, how many calls are held back, and what was put aside.

    Raises `StateError`, and nothing is changed then: a gateway runs, the archive is damaged or newer than this version,
    or other settings or another state are there and `replace` was not said. What is replaced is kept beside.
    """
    try:
        manifest, text = archive.verified(file)
    except OSError as exc:
        raise StateError(f"{file} cannot be read: {exc.strerror or exc}") from exc
    if newer := database.unknown(manifest.schema):
        raise StateError(
            f"{file} was made by version {manifest.version}, whose database this version does not know "
            f"({newer[0]}): install that version or a later one"
        )
    where = f"the settings in {file}"
    settings = load_settings(settings_file) if text is None else parse_settings(text, where, with_secret=False)
    directory = StateDirectory.acquire(settings.state_directory, gives_to_owner=True)
    try:
        return await _Restoration(file, manifest, directory.path, settings_file, replace=replace).run()
    except OSError as exc:
        raise StateError(f"{file}: cannot be restored: {exc.filename or ''} {exc.strerror or exc}") from exc
    finally:
        directory.release()


class _Restoration:
    """One restoration into a state directory that this process holds."""

    def __init__(self, file: Path, manifest: Manifest, directory: Path, settings_file: Path, *, replace: bool) -> None:
        self._file = file
        self._manifest = manifest
        self._directory = directory
        self._settings_file = settings_file
        self._replace = replace
        self._aside: list[str] = []
        self._left: dict[str, str] = {}

    async def run(self) -> dict[str, Any]:
        old = [one for one in self._directory.iterdir() if one.name not in PASSING and not _is_ours(one.name)]
        if old and not self._replace:
            raise StateError(
                f"{self._directory} holds a state already; --replace puts it aside, into the folder {_REPLACED}-1 there"
            )
        begun = (self._directory / f"{_REPLACED}-1").exists()
        if old and not begun and not (self._directory / "gateway.db").exists():
            raise StateError(f"{self._directory} holds files of something else than a gateway; name another directory")
        with tempfile.TemporaryDirectory(prefix="sunmi-gateway-") as folder:
            texts = self._texts(Path(folder))
        stage = self._directory / _STAGE
        shutil.rmtree(stage, ignore_errors=True)
        try:
            stage.mkdir(mode=0o700)
            archive.extract(self._file, STATE, stage)
            held = await database.take_up(stage / "gateway.db")
            self._write(texts)
            self._exchange(old, stage)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
        return {
            "restored": str(self._file),
            "made_at": self._manifest.created_at,
            "settings": str(self._settings_file) if SETTINGS in self._manifest.members else None,
            "directory": str(self._directory),
            "held": held,
            "put_aside": self._aside,
            "left_out": self._left,
        }

    def _texts(self, folder: Path) -> dict[Path, bytes]:
        """Return what the settings file and the files that it names shall be. Raises `StateError` for others there.

        A file is brought back only beside the settings: an archive does not choose what it overwrites elsewhere.
        """
        archive.extract(self._file, FILES, folder)
        texts = {}
        if SETTINGS in self._manifest.members:
            archive.extract(self._file, SETTINGS, folder)
            texts[self._settings_file] = (folder / Path(SETTINGS).name).read_bytes()
        home = self._settings_file.absolute().parent
        for key, named in self._manifest.named.items():
            path = Path(named)
            content = (folder / key).read_bytes()
            if path.exists() and path.read_bytes() == content:
                continue
            if path.is_absolute() and ".." not in path.parts and path.is_relative_to(home):
                texts[path] = content
            else:
                self._left[key] = named
        changed = {path: text for path, text in texts.items() if not (path.exists() and path.read_bytes() == text)}
        for path in changed:
            if path.exists() and not self._replace:
                raise StateError(
                    f"{path} exists with other content; --replace puts it aside, as {path.name}.{_REPLACED}-1"
                )
        return changed

    def _write(self, texts: dict[Path, bytes]) -> None:
        for path, text in texts.items():
            if path.exists():
                kept = next_free(path.with_name(f"{path.name}.{_REPLACED}"))
                write_private(kept, path.read_bytes())
                take_over(kept, path.stat())
                self._aside.append(str(kept))
            write_private(path, text)

    def _exchange(self, old: list[Path], stage: Path) -> None:
        """Put the old state aside and the restored one in its place, all of it the owner's of the directory."""
        if old:
            aside = next_free(self._directory / _REPLACED)
            aside.mkdir(mode=0o700)
            self._own(aside)
            for one in old:
                one.rename(aside / one.name)
            self._aside.append(str(aside))
        for one in [*stage.rglob("*"), *(self._directory / name for name in PASSING)]:
            with contextlib.suppress(FileNotFoundError):
                self._own(one)
        # The database last: without one, an interrupted restoration is plain to see.
        for one in sorted(stage.iterdir(), key=lambda one: one.name == "gateway.db"):
            one.rename(self._directory / one.name)

    def _own(self, path: Path) -> None:
        owner, now = self._directory.stat(), path.lstat()
        if (owner.st_uid, owner.st_gid) != (now.st_uid, now.st_gid):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _is_ours(name: str) -> bool:
    return name == _STAGE or name.startswith(f"{_REPLACED}-")
