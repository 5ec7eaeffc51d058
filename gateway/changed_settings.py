"""Settings that people change in the console: a second file, in the state directory, over the main file.

The main file is read-only to the service. A third file holds what the head office of a chain wants
(`gateway.desired_settings`): it wins over both, as long as they have a link to a head office, so that each setting has
one owner. The environment wins over all. A second or third file that is damaged or not valid stops nothing: it is set
aside or skipped.
"""

import json
import logging
import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from firmware_tools.language import describe_error, join, message
from gateway.desired_settings import read_desired
from gateway.errors import SettingsError
from gateway.membership import apply_membership
from gateway.setting_texts import SETTING_TEXTS, SettingText
from gateway.settings import (
    ENVIRONMENT_PREFIX,
    SECRET_FILE_SETTINGS,
    SECRET_SETTINGS,
    Settings,
    describe_errors,
    load_settings,
    read_secret_files,
)
from gateway.storage.private_file import find_free_name, write_private
from gateway.storage.state_directory import CHANGED_SETTINGS_FILE, DESIRED_SETTINGS_FILE

MAX_BYTES: Final = 65536
"""No second file is larger."""

Key = tuple[str, str]
"""The section and the key of a setting."""
Changes = Mapping[Key, Any]
"""The settings of the second file."""

_PASSWORD: Final = ("provisioning", "password")
_PASSWORD_FILE: Final = ("provisioning", "password_file")

_log = logging.getLogger(__name__)


class ChangeableSetting(NamedTuple):
    """A setting that may be changed in the console. Never one that leads calls elsewhere, or decides whom to trust."""

    section: str
    """Its section."""
    key: str
    """Its key."""

    @property
    def name(self) -> str:
        """Section and key as messages name them."""
        return f"{self.section}.{self.key}"

    @property
    def text(self) -> SettingText:
        """It in words."""
        return SETTING_TEXTS[self.name]

    @property
    def is_secret(self) -> bool:
        """Whether nobody may read its value."""
        return (self.section, self.key) in SECRET_SETTINGS


CHANGEABLE: Final = (
    ChangeableSetting("provisioning", "ssid"),
    ChangeableSetting("provisioning", "password"),
    ChangeableSetting("cloud", "shop_id"),
    ChangeableSetting("cloud", "sunmi_shop_no"),
    ChangeableSetting("discovery", "methods"),
    ChangeableSetting("discovery", "interfaces"),
    ChangeableSetting("discovery", "addresses"),
    ChangeableSetting("discovery", "interval_s"),
    ChangeableSetting("video", "max_streams"),
    ChangeableSetting("outbox", "max_bytes"),
    ChangeableSetting("server", "pos_deletes_products"),
)
"""Every setting that may be changed in the console, in the order in which it is shown."""

_KEYS: Final = frozenset((one.section, one.key) for one in CHANGEABLE)


class LoadedSettings(NamedTuple):
    """The settings of all sources."""

    settings: Settings
    """The settings; without those of the second or third file if there is a problem with it."""
    problem: str
    """Why the second or third file does not count; empty if nothing is wrong with them."""


def load_all_settings(path: Path | None, *, sets_aside: bool = False) -> LoadedSettings:
    """Read all files and the environment. Raises `SettingsError`, never for the second or third file.

    With `sets_aside` one of those that is not valid is renamed, and a line of the log says so.
    """
    problems: list[str] = []
    main = load_main_settings(path, logs=sets_aside)
    base = _try_file(main, main.state_directory / CHANGED_SETTINGS_FILE, read_changes, problems, sets_aside=sets_aside)
    settings = base
    if base.fleet.servers:
        file = main.state_directory / DESIRED_SETTINGS_FILE
        settings = _try_file(
            base, file, lambda found: read_desired(found, base.fleet).changes, problems, sets_aside=sets_aside
        )
    settings = read_secret_files(settings, str(path or message("the environment")))
    return LoadedSettings(settings, join("; ", problems))


def load_own_settings(path: Path | None, directory: Path) -> Settings:
    """Return the settings without those of the head office. Raises `SettingsError` for the main file alone."""
    return _try_file(load_main_settings(path), directory / CHANGED_SETTINGS_FILE, read_changes, [], sets_aside=False)


def load_main_settings(path: Path | None, *, logs: bool = False) -> Settings:
    """Return the settings of the main file, with the chain that this gateway has joined. Raises `SettingsError`."""
    main = load_settings(path, with_secret=False)
    try:
        return apply_membership(main)
    except SettingsError as exc:
        if logs:
            _log.error("%s; this gateway has no head office until `sunmi-gateway fleet join`", describe_error(exc))
        return main


def _try_file(
    main: Settings, file: Path, read: Callable[[Path], Changes], problems: list[str], *, sets_aside: bool
) -> Settings:
    """Return the settings with those of a file; without them if it is not valid, and add to the problems why."""
    try:
        return _apply_file(main, file, read)
    except SettingsError as exc:
        # Whoever may not look into the state directory does not know whether there is a second file.
        if isinstance(exc.__cause__, PermissionError) and not sets_aside:
            return main
        problem = describe_error(exc)
        problems.append(problem)
        if sets_aside and isinstance(exc.__cause__, OSError):
            _log.error("%s; it does not count, and the other settings do", problem)
        elif sets_aside:
            _set_aside(file, problem)
        return main


def _apply_file(main: Settings, file: Path, read: Callable[[Path], Changes]) -> Settings:
    """Return the settings with those of a file. Raises `SettingsError`."""
    try:
        return apply_changes(main, read(file))
    except ValidationError as exc:
        raise SettingsError(message("{where}: {reason}", where=file, reason=describe_errors(exc))) from exc


def set_aside_invalid(main: Settings, file: Path) -> str:
    """Rename a second file that would not count over the main settings; return why, or an empty text."""
    try:
        _apply_file(main, file, read_changes)
    except SettingsError as exc:
        problem = describe_error(exc)
        _set_aside(file, problem)
        return problem
    return ""


def list_set_aside(directory: Path) -> list[str]:
    """Return the names of second and third files in a state directory that were not valid, and so do not count."""
    names = (CHANGED_SETTINGS_FILE, DESIRED_SETTINGS_FILE)
    return sorted(one.name for name in names for one in directory.glob(f"{name}.bad-*"))


def read_changes(file: Path) -> Changes:
    """Return the settings of the second file; none if it does not exist. Raises `SettingsError`."""
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as exc:
        raise SettingsError(message("{path}: cannot be read: {reason}", path=file, reason=exc)) from exc
    if len(content) > MAX_BYTES:
        raise SettingsError(message("{path}: is larger than {max_bytes} bytes", path=file, max_bytes=MAX_BYTES))
    try:
        document = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as exc:
        raise SettingsError(message("{path}: is not valid TOML: {reason}", path=file, reason=exc)) from exc
    changes: dict[Key, Any] = {}
    for section, table in document.items():
        for key, value in table.items() if isinstance(table, dict) else [("", table)]:
            if (section, key) not in _KEYS:
                what = message(
                    "{path}: {section}.{key} may not be changed in the console", path=file, section=section, key=key
                )
                raise SettingsError(what)
            changes[section, key] = value
    return changes


def write_changes(file: Path, changes: Changes) -> None:
    """Replace the second file (0600). Raises `OSError`."""
    lines = ["# Settings that were changed in the console. They win over the main settings file."]
    for section in sorted({section for section, _ in changes}):
        lines += ["", f"[{section}]"]
        lines += [f"{key} = {_format(value)}" for (one, key), value in changes.items() if one == section]
    write_private(file, ("\n".join(lines) + "\n").encode())


def apply_changes(main: Settings, changes: Changes) -> Settings:
    """Return the settings with those of the second or third file, under the environment. Raises `ValidationError`.

    Secrets that stand in files of their own have to be read again.
    """
    document = main.model_dump(exclude_unset=True)
    for section, key in SECRET_FILE_SETTINGS:
        if document.get(section, {}).get(f"{key}_file"):
            document[section][key] = ""
    fixed = find_environment_keys()
    for (section, key), value in changes.items():
        if (section, key) not in fixed:
            document.setdefault(section, {})[key] = value
            if (section, key) == _PASSWORD:
                document[section][_PASSWORD_FILE[1]] = ""
    return Settings(**document)


def find_environment_keys() -> frozenset[Key]:
    """Return the settings that the environment sets, so that nothing else can."""
    names = [
        name[len(ENVIRONMENT_PREFIX) :].lower() for name in os.environ if name.upper().startswith(ENVIRONMENT_PREFIX)
    ]
    keys = {(section, key) for section, _, key in (name.partition("__") for name in names)}
    return frozenset(keys | {_PASSWORD} if _PASSWORD_FILE in keys else keys)


def _format(value: Any) -> str:
    """Return a value as TOML: JSON, apart from the one control character that JSON leaves as it is."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _set_aside(file: Path, problem: str) -> None:
    try:
        kept = find_free_name(file.with_name(f"{file.name}.bad"))
        file.rename(kept)
    except OSError as exc:
        _log.error("%s; it does not count, and cannot be set aside: %s", problem, describe_error(exc))
    else:
        _log.error("%s; it is set aside as %s, and the other settings count", problem, kept.name)
