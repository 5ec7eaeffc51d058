"""Editing the settings file: comments and other keys stay, and only the owner can read it."""

from pathlib import Path
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError

from firmware_tools.language import message
from gateway.errors import SettingsError
from gateway.storage.private_file import write_private

_NEW_FILE: Final = (
    "# Settings of the SUNMI store gateway. They hold secrets: keep this file readable by its owner alone.\n\n[cloud]\n"
)


class CloudSection:
    """The section `cloud` of a settings file. Changes are written by `write`."""

    def __init__(self, path: Path) -> None:
        """Load the file if it exists. Raises `SettingsError` if it cannot be read or is not valid TOML."""
        self.path = path
        """The settings file."""
        try:
            self.exists = path.exists()
            """Whether the file existed before."""
            text = path.read_text(encoding="utf-8") if self.exists else _NEW_FILE
            self._document = tomlkit.parse(text)
        except OSError as exc:
            raise SettingsError(message("{path}: cannot be read: {reason}", path=path, reason=exc)) from exc
        except (TOMLKitError, UnicodeDecodeError) as exc:
            raise SettingsError(message("{path}: is not valid TOML: {reason}", path=path, reason=exc)) from exc
        if "cloud" not in self._document:
            self._document["cloud"] = tomlkit.table()
        self._cloud: Any = self._document["cloud"]
        if not isinstance(self._cloud, dict):
            raise SettingsError(message("{path}: cloud: must be a section", path=path))

    def __getitem__(self, key: str) -> str:
        """Return the value of a key; empty if it is missing."""
        return str(self._cloud.get(key, ""))

    def __setitem__(self, key: str, value: str) -> None:
        self._cloud[key] = value

    def __delitem__(self, key: str) -> None:
        self._cloud.pop(key, None)

    @property
    def text(self) -> str:
        """The whole file, with the changes."""
        return tomlkit.dumps(self._document)

    def write(self) -> None:
        """Write the file. Raises `SettingsError`."""
        try:
            write_private(self.path, self.text.encode())
        except OSError as exc:
            raise SettingsError(message("{path}: cannot be written: {reason}", path=self.path, reason=exc)) from exc
