"""The settings file as commands write it: comments and other keys stay, and nobody else can read it."""

from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from gateway.errors import SettingsError
from gateway.storage.private_file import write_private

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
        try:
            write_private(self.path, self.text.encode())
        except OSError as exc:
            raise SettingsError(f"{self.path}: cannot be written: {exc.strerror}") from exc
