"""Settings that a chain's head office wants: a third file, in the state directory, over the main and the second one.

Which settings it may set is declared here. The file also holds what a change that may cut the shop off has to prove,
and what it is to go back to: it is written as a whole, so that no crash leaves a change without its way back.
"""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from firmware_tools.language import Message, message
from gateway.errors import SettingsError
from gateway.fleet_settings import FleetSettings
from gateway.membership import is_member
from gateway.settings import SECRET_SETTINGS, Settings
from gateway.storage.private_file import write_private

MAX_BYTES: Final = 1024 * 1024
"""No file is larger."""
MAX_PROBLEM_CHARACTERS: Final = 500
"""How much is kept of why the gateway could not serve."""
MAX_STARTS: Final = 3
"""How often the gateway may start with a change that has not proved itself. More often, and it is taken back."""


class PushableSetting(NamedTuple):
    """A setting that the head office may set."""

    section: str
    """Its section."""
    key: str
    """Its key."""
    is_network: bool = False
    """Whether a wrong value can cut the shop off: then it is taken back unless link and API work with it."""

    @property
    def name(self) -> str:
        """Section and key, as documents of the head office name them."""
        return f"{self.section}.{self.key}"


PUSHABLE: Final = {
    one.name: one
    for one in (
        PushableSetting("server", "host", is_network=True),
        PushableSetting("server", "port", is_network=True),
        PushableSetting("server", "https_port", is_network=True),
        PushableSetting("server", "allow_plain_http"),
        PushableSetting("server", "pos_deletes_products"),
        PushableSetting("cloud", "shop_id"),
        PushableSetting("cloud", "sunmi_shop_no"),
        PushableSetting("cameras", "port"),
        PushableSetting("cameras", "timeout_s"),
        PushableSetting("video", "max_streams"),
        PushableSetting("discovery", "methods"),
        PushableSetting("discovery", "interfaces", is_network=True),
        PushableSetting("discovery", "addresses"),
        PushableSetting("discovery", "interval_s"),
        PushableSetting("discovery", "broadcast_port"),
        PushableSetting("outbox", "max_bytes"),
        PushableSetting("products", "timezone"),
        PushableSetting("products", "vendor_path"),
        PushableSetting("labels", "pushes_at_once"),
        PushableSetting("labels", "confirm_within_s"),
        PushableSetting("provisioning", "ssid"),
        PushableSetting("provisioning", "max_concurrency"),
        PushableSetting("provisioning", "event_wait_s"),
        PushableSetting("fleet", "servers", is_network=True),
    )
}
"""Every setting that the head office may set, by name. All others are the shop's own: secrets, files, addresses to
which calls are led, whom to trust, and what the head office may do."""


def find_push_refusal(name: str) -> Message | None:
    """Return why the head office may not set a setting; None if it may."""
    if name in PUSHABLE:
        return None
    section, _, key = name.partition(".")
    model = getattr(Settings(), section, None) if section in Settings.model_fields else None
    if model is None or key not in type(model).model_fields:
        names = ", ".join(one.name for one in PUSHABLE.values() if one.section == section) or ", ".join(PUSHABLE)
        return message("is not a setting of this version; the head office may set {names}", names=names)
    if (section, key) in SECRET_SETTINGS:
        return message("is a secret: it is set in the shop alone")
    return message(
        "is set in the shop alone: it names a file or an address there, or decides whom the shop trusts and what the "
        "head office may do"
    )


class SettingSource(BaseModel):
    """Which document of the head office wants a value."""

    model_config = ConfigDict(frozen=True)

    key: str
    """Its key in the bucket."""
    revision: int
    """Its revision."""
    stored_at: str = ""
    """When the servers stored it: servers that are restored from a backup give the same revision twice."""


class SettingsTrial(BaseModel):
    """A change that has not proved itself yet."""

    model_config = ConfigDict(frozen=True)

    before: dict[str, Any]
    """What the head office wanted before, by name; without those that it did not set."""
    sources: dict[str, SettingSource | None]
    """The settings that change, and which document wants that; None where none does any more."""
    since_s: float | None = None
    """The uptime at which the gateway started with it; None if it has not yet."""
    starts: int = Field(default=0, ge=0)
    """How often the gateway has started with it."""
    problem: str = ""
    """Why the gateway could not serve with it, the last time that it started; empty if it could."""

    @property
    def needs_link(self) -> bool:
        """Whether it has to prove that the link comes up."""
        return any(PUSHABLE[name].is_network for name in self.sources if name in PUSHABLE)


class RolledBackSetting(BaseModel):
    """A value that was taken back, and is not tried again as long as the same document wants it."""

    model_config = ConfigDict(frozen=True)

    source: SettingSource
    """Which document wants it."""
    reason: str
    """Why it was taken back."""


class DesiredSettings(BaseModel):
    """What the third file holds."""

    model_config = ConfigDict(frozen=True)

    member: str = ""
    """For which shop of which chain they are, as `find_member` tells; they count for no other one."""
    settings: dict[str, Any] = {}
    """The values that count from the next start on, by name."""
    trial: SettingsTrial | None = None
    """The change that has not proved itself yet."""
    rolled_back: dict[str, RolledBackSetting] = {}
    """What was taken back, by name."""

    @property
    def changes(self) -> Mapping[tuple[str, str], Any]:
        """The values by section and key."""
        return {(PUSHABLE[name].section, PUSHABLE[name].key): value for name, value in self.settings.items()}

    def roll_back(self, reason: str, *, only_network: bool) -> "DesiredSettings":
        """Return it without the change on trial, or without those parts of it that can cut the shop off."""
        if self.trial is None:
            return self
        settings, rolled_back = dict(self.settings), dict(self.rolled_back)
        for name, source in self.trial.sources.items():
            if only_network and not PUSHABLE[name].is_network:
                continue
            settings.pop(name, None)
            if name in self.trial.before:
                settings[name] = self.trial.before[name]
            if source is not None:
                rolled_back[name] = RolledBackSetting(source=source, reason=reason)
        return DesiredSettings(member=self.member, settings=settings, rolled_back=rolled_back)


def read_desired(file: Path, fleet: FleetSettings) -> DesiredSettings:
    """Return what the third file holds; nothing if it does not exist, or is of another shop than that of the settings.

    Raises `SettingsError`.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return DesiredSettings()
    except OSError as exc:
        raise SettingsError(message("{path}: cannot be read: {reason}", path=file, reason=exc)) from exc
    if len(content) > MAX_BYTES:
        raise SettingsError(message("{path}: is larger than {max_bytes} bytes", path=file, max_bytes=MAX_BYTES))
    try:
        found = DesiredSettings.model_validate(json.loads(content))
    except (ValueError, RecursionError) as exc:
        reason = message("what the gateway itself wrote there is damaged") if isinstance(exc, ValidationError) else exc
        raise SettingsError(message("{where}: {reason}", where=file, reason=reason)) from exc
    names = [*found.settings, *(found.trial.sources if found.trial else ()), *found.rolled_back]
    if foreign := next((name for name in names if name not in PUSHABLE), None):
        what = message("{path}: the head office may not set {name}", path=file, name=foreign)
        raise SettingsError(what)
    return found if is_member(fleet, found.member) else DesiredSettings()


def write_desired(file: Path, desired: DesiredSettings) -> None:
    """Replace the third file at once or not at all (0600). Raises `OSError`."""
    write_private(file, (desired.model_dump_json(indent=1) + "\n").encode())


def note_problem(file: Path, fleet: FleetSettings, reason: str) -> None:
    """Remember why the gateway cannot serve, if there is a change on trial: it may be why.

    The caller holds the state directory.
    """
    with contextlib.suppress(SettingsError, OSError):
        desired = read_desired(file, fleet)
        if desired.trial is not None:
            trial = desired.trial.model_copy(update={"problem": reason[:MAX_PROBLEM_CHARACTERS]})
            write_desired(file, desired.model_copy(update={"trial": trial}))


def count_start(file: Path, fleet: FleetSettings) -> None:
    """Count a start with a change on trial. Raises `SettingsError` after too many: the next start is without it.

    The caller holds the state directory. A file that cannot be read or written counts as it would without this.
    """
    try:
        desired = read_desired(file, fleet)
        if desired.trial is None:
            return
        starts = desired.trial.starts + 1
        if starts <= MAX_STARTS:
            trial = desired.trial.model_copy(update={"starts": starts})
            write_desired(file, desired.model_copy(update={"trial": trial}))
            return
        reason = message("the gateway was started {count} times and did not get the link with it", count=MAX_STARTS)
        if desired.trial.problem:
            reason = message(
                "the gateway was started {count} times with it and could not serve: {reason}",
                count=MAX_STARTS,
                reason=desired.trial.problem,
            )
        write_desired(file, desired.roll_back(str(reason), only_network=False))
    except (SettingsError, OSError):
        return
    raise SettingsError(
        message(
            "settings that the head office wanted are taken back, since the gateway did not work with them: {names}; "
            "start it again",
            names=", ".join(desired.trial.sources),
        )
    )
