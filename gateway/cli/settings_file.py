"""The settings file as commands write it: comments and other keys stay, and nobody else can read it."""

import contextlib
import os
import secrets
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from gateway.errors import SettingsError

_BEGIN = (
    "# Settings of the SUNMI store gateway. They hold secrets: keep this file readable by its owner alone.\n\n[cloud]\n"
)


class CloudDraft:
    """The section `cloud` of a settings file that is being changed; nothing is written before `write`.

    Raises `SettingsError` for a file that cannot be read or is no TOML.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.exists = path.exists()
        try:
            text = path.read_text(encoding="utf-8") if self.exists else _BEGIN
            self._document = tomlkit.parse(text)
        except OSError as exc:
            raise SettingsError(f"{path}: cannot be read: {exc.strerror}") from exc
        except (TOMLKitError, UnicodeDecodeError) as exc:
            raise SettingsError(f"{path}: is not valid TOML: {exc}") from exc
        if "cloud" not in self._document:
            self._document["cloud"] = tomlkit.table()
        self._cloud: Any = self._document["cloud"]
        if not isinstance(self._cloud, dict):
            raise SettingsError(f"{path}: cloud: must be a section")

    def __getitem__(self, key: str) -> str:
        """Return what the file says of a key, or nothing."""
        return str(self._cloud.get(key, ""))

    def __setitem__(self, key: str, value: str) -> None:
        self._cloud[key] = value

    def __delitem__(self, key: str) -> None:
        self._cloud.pop(key, None)

    @property
    def text(self) -> str:
        """The whole file as it will be."""
        return tomlkit.dumps(self._document)

    def write(self) -> None:
        """Write the file. Raises `SettingsError`."""
        write_settings(self.path, self.text)


def write_settings(path: Path, text: str) -> None:
    """Replace a settings file at once or not at all; a new one is its owner's alone (0600).

    One that is there keeps its owner and group, and the group's right to read, since a service may need both. Raises
    `SettingsError`.
    """
    target = path.resolve()
    made = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if target.exists():
            _take_over(made, target)
        made.replace(target)
    except OSError as exc:
        with contextlib.suppress(OSError):
            made.unlink(missing_ok=True)
        raise SettingsError(f"{path}: cannot be written: {exc.strerror}") from exc


def _take_over(made: Path, old: Path) -> None:
    """Give a file the owner, the group and, below these, the rights of the one that it replaces."""
    known, own = old.stat(), made.stat()
    if (known.st_uid, known.st_gid) != (own.st_uid, own.st_gid):
        os.chown(made, known.st_uid, known.st_gid)
    made.chmod(0o600 | (known.st_mode & 0o040))
