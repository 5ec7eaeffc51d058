"""The settings that the head office wants: checked, stored, proved, and taken back where they cut the shop off.

A setting holds from the next start on, as one that is changed in the console. A change is stored with its way back
before the gateway starts with it. One that can cut the shop off has proved itself when the link is up and the API
answers.
"""

import ipaddress
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from firmware_tools.language import describe_error, message
from gateway.changed_settings import apply_changes, find_environment_keys, load_own_settings
from gateway.desired_settings import (
    PUSHABLE,
    DesiredSettings,
    PushableSetting,
    SettingSource,
    SettingsTrial,
    find_push_refusal,
    read_desired,
    write_desired,
)
from gateway.errors import SettingsError, StateError
from gateway.fleet.documents import DesiredAnswer
from gateway.settings import Settings
from gateway.storage.uptime_table import Uptime
from gateway.validation_texts import describe_validation_error

TRIAL_S: Final = 600.0
"""How long a change that can cut the shop off has to get the link up again, in seconds of uptime."""
_MAX_VALUE_CHARACTERS: Final = 10_000

_log: Final = logging.getLogger(__name__)


class WantedSetting(NamedTuple):
    """A value of a setting, and which document wants it."""

    value: Any
    """The value as it stands in the document."""
    source: SettingSource
    """Which one."""


class SettingsOutcome(NamedTuple):
    """What became of the settings that the head office wants."""

    answers: Mapping[str, DesiredAnswer]
    """By name."""
    needs_restart: bool
    """Whether the gateway has to be started again for them."""


class FollowedSettings:
    """Follows what the head office wants. The third settings file is written here alone."""

    def __init__(self, file: Path, running: Settings, settings_file: Path | None, uptime: Uptime) -> None:
        """Take the settings that this process has, and their main file."""
        self._file = file
        self._running = running
        self._settings_file = settings_file
        self._uptime = uptime
        self._desired = DesiredSettings()
        self._at_start: Mapping[str, Any] | None = None
        """What this process was started with, by name; None before `start`."""

    def start(self) -> None:
        """Go on with a change that an earlier process has stored: this one runs with it. Raises `StateError`.

        A second call does nothing.
        """
        if self._at_start is not None:
            return
        try:
            self._desired = read_desired(self._file, self._running.fleet)
        except SettingsError as exc:
            _log.warning("the settings of the head office count from its next word on: %s", describe_error(exc))
        self._go_on()
        self._at_start = self._desired.settings

    def _go_on(self) -> None:
        trial = self._desired.trial
        if trial is None:
            return
        if not trial.needs_link:
            self._finish_trial()
        elif trial.since_s is None:
            trial = trial.model_copy(update={"since_s": self._uptime.now()})
            self._write(self._desired.model_copy(update={"trial": trial}))
        else:
            self._uptime.advance_to(trial.since_s)

    def note_proof(self) -> None:
        """Take note that link and API work: so the change has not cut the shop off. Raises `StateError`."""
        if self._desired.trial is not None and self._desired.trial.since_s is not None:
            _log.info("link and API work with the settings that the head office wants: %s", self._names())
            self._finish_trial()

    @property
    def trial_left_s(self) -> float | None:
        """How long the link may still take to come up with a change, in seconds; None if there is none to prove."""
        trial = self._desired.trial
        if trial is None or trial.since_s is None:
            return None
        return max(0.0, TRIAL_S - max(0.0, self._uptime.now() - trial.since_s))

    def roll_back(self, api_problem: str) -> None:
        """Take back what has cut the shop off: the next start is without it. Raises `StateError`.

        `api_problem` is why the gateway's own API does not answer; empty if that is not known to be the cause.
        """
        names = self._names()
        reason = message(
            "the link to the head office did not come up within {seconds:g} s with it, so the earlier value is back",
            seconds=TRIAL_S,
        )
        if api_problem:
            reason = message(
                "the gateway's own API did not answer within {seconds:g} s with it, so the earlier value is back: "
                "{reason}",
                seconds=TRIAL_S,
                reason=api_problem,
            )
        self._write(self._desired.roll_back(str(reason), only_network=True))
        _log.error("settings that the head office wanted are taken back, %s: %s", names, reason)

    def follow(self, member: str, wanted: Mapping[str, WantedSetting], pending: str) -> SettingsOutcome:
        """Store what is wanted, as far as it can be accepted, and say what became of each setting.

        `member` is the shop of the chain of which it is wanted, `pending` the reason where one holds only from the next
        start on. Raises `StateError` if it cannot be stored, and `SettingsError` if the shop's own settings cannot be
        read: then everything stays as it is.
        """
        answers: dict[str, DesiredAnswer] = {}
        taken: dict[str, Any] = {}
        rolled_back = {
            name: record
            for name, record in self._desired.rolled_back.items()
            if name in wanted and wanted[name].source == record.source
        }
        for name, one in wanted.items():
            if refusal := _find_refusal(name, one.value):
                answers[name] = DesiredAnswer(outcome="refused", reason=refusal)
            elif name in rolled_back:
                answers[name] = DesiredAnswer(outcome="rolled_back", reason=rolled_back[name].reason)
                if name in self._desired.settings:
                    taken[name] = self._desired.settings[name]
            else:
                taken[name] = one.value
        own = load_own_settings(self._settings_file, self._file.parent)
        settings, faults = _apply_valid(own, taken)
        answers |= {name: DesiredAnswer(outcome="refused", reason=reason) for name, reason in faults.items()}
        values = {name: _read_value(settings, name) for name in taken if name not in faults}
        on_trial = self._desired.trial.sources if self._desired.trial is not None else {}
        concerned = {*values, *self._desired.settings, *on_trial, *self._desired.rolled_back}
        changed = {name for name in concerned if _read_value(settings, name) != _read_value(self._running, name)}
        sources = {name: wanted[name].source if name in wanted else None for name in changed}
        self._store(member, values, sources, rolled_back)
        if changed and values == self._at_start:
            pending = message("the gateway was started with it, and runs without it: see its log")
        for name in values:
            if name in changed:
                answers.setdefault(name, DesiredAnswer(outcome="pending", reason=pending))
            else:
                answers.setdefault(name, DesiredAnswer(outcome="applied"))
        return SettingsOutcome(answers, bool(changed) and values != self._at_start)

    def _store(
        self,
        member: str,
        values: Mapping[str, Any],
        sources: Mapping[str, SettingSource | None],
        rolled_back: Mapping[str, Any],
    ) -> None:
        """Store values and the way back from those that change, unless they are stored."""
        old = self._desired
        earlier = old.trial.before if old.trial is not None else {}
        known = set(old.trial.sources) if old.trial is not None else set()
        before = {
            name: earlier[name] if name in known else old.settings[name]
            for name in sources
            if (name in earlier if name in known else name in old.settings)
        }
        trial = SettingsTrial(before=before, sources=dict(sources)) if sources else None
        new = DesiredSettings(member=member, settings=dict(values), trial=trial, rolled_back=dict(rolled_back))
        if new != old.model_copy(update={"member": old.member or member}):  # a file that holds nothing is not made
            self._write(new)

    def _finish_trial(self) -> None:
        self._write(self._desired.model_copy(update={"trial": None}))

    def _write(self, desired: DesiredSettings) -> None:
        try:
            write_desired(self._file, desired)
        except OSError as exc:
            raise StateError(message("{file} cannot be written: {reason}", file=self._file, reason=exc)) from exc
        self._desired = desired

    def _names(self) -> str:
        return ", ".join(self._desired.trial.sources) if self._desired.trial is not None else ""


def _find_refusal(name: str, value: Any) -> str:
    """Return why a setting is not accepted before its value is looked at in detail; empty if it may be."""
    if refusal := find_push_refusal(name):
        return refusal
    if (PUSHABLE[name].section, PUSHABLE[name].key) in find_environment_keys():
        return message("is set by the environment of the service, which alone can change it")
    if len(repr(value)) > _MAX_VALUE_CHARACTERS:
        return message("is longer than {count} characters", count=_MAX_VALUE_CHARACTERS)
    if name == "fleet.servers" and not value:
        return message("would end the link: only the shop itself may do that")
    return ""


def _apply_valid(own: Settings, taken: Mapping[str, Any]) -> tuple[Settings, Mapping[str, str]]:
    """Return the settings with those that are valid, and why the others are not. Raises `SettingsError`."""
    faults: dict[str, str] = {}
    while True:
        changes = {_key(PUSHABLE[name]): value for name, value in taken.items() if name not in faults}
        try:
            settings = apply_changes(own, changes)
            found = {name: reason for name in taken if name not in faults and (reason := _find_cut(settings, name))}
            if not found:
                return settings, faults
        except ValidationError as exc:
            found = _name_faults(exc, {name for name in taken if name not in faults})
            if not found:
                raise SettingsError(message("the shop's own settings are not valid: {reason}", reason=exc)) from exc
        faults |= found


def _find_cut(settings: Settings, name: str) -> str:
    """Return why a valid setting would cut the tills off, as nobody can want it from afar; empty if it would not."""
    if name == "server.port" and settings.server.port == 0:
        return message("would be another port after each start, which no till knows")
    if name == "server.host" and _is_loopback(settings.server.host):
        return message("would keep out all tills but those on this machine: only the shop itself may do that")
    return ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _name_faults(error: ValidationError, names: set[str]) -> dict[str, str]:
    """Return what is wrong, by setting; a fault of a whole section is one of each setting in it."""
    faults: dict[str, str] = {}
    for one in error.errors():
        place = ".".join(str(part) for part in one["loc"][:2])
        for name in names:
            if name == place or name.startswith(f"{place}."):
                faults.setdefault(name, describe_validation_error(one))
    return faults


def _key(setting: PushableSetting) -> tuple[str, str]:
    return setting.section, setting.key


def _read_value(settings: Settings, name: str) -> Any:
    setting = PUSHABLE[name]
    return getattr(getattr(settings, setting.section), setting.key)
