"""The settings that may be changed in the console: one form, made from their declarations and models."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from aiohttp import web
from pydantic import BaseModel, ValidationError

from firmware_tools.language import Message, describe_error, message
from gateway.api.changes import mark_unchanged, name_object
from gateway.changed_settings import (
    CHANGEABLE,
    ChangeableSetting,
    Changes,
    apply_changes,
    find_environment_keys,
    load_main_settings,
    read_changes,
    write_changes,
)
from gateway.console.form import Form
from gateway.console.page import ConsolePage, PageContext
from gateway.console.shop import SETTINGS, TABS
from gateway.console.site_page import is_private
from gateway.console.units import Unit, choose_unit, list_units, parse_quantity
from gateway.desired_settings import read_desired
from gateway.errors import Conflict, FieldError, InvalidRequest, SettingsError, StateError
from gateway.settings import Settings, describe_errors
from gateway.storage.state_directory import CHANGED_SETTINGS_FILE, DESIRED_SETTINGS_FILE

_RESTART_DELAY_S: Final = 0.5
"""How long the browser has to receive the response before the gateway ends."""
_SOURCES: Final = {
    "environment": message("set by the environment of the service, which alone can change it"),
    "office": message("set by the head office, which alone can change it"),
    "console": message("changed on this page"),
    "file": message("from the main settings file"),
    "default": message("as delivered"),
}
"""Where a value comes from, in words."""
_CHOICES: Final = {
    "broadcast": message("broadcast, as SUNMI's cameras expect it"),
    "mdns": message("mDNS"),
    "sweep": message("every address of the network in turn"),
}
"""The meaning of each choice."""
_NEEDS_HTTPS: Final = message("a password is taken over HTTPS only; open the console with https://")
_NO_RESTART: Final = message("nothing starts this gateway again; restart it by hand where it was started")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SettingField:
    """A setting as the form shows it."""

    setting: ChangeableSetting
    """Its declaration."""
    control: Literal["text", "number", "lines", "choices", "tick", "password"]
    """How it is filled in."""
    value: Any
    """What is filled in first; for choices the list of those that are ticked."""
    choices: dict[str, Message]
    """What can be ticked, with its meaning."""
    bounds: dict[str, Any]
    """HTML attributes that bound the value."""
    units: Sequence[Unit]
    """The units that can be chosen; none if it has no unit."""
    unit: Unit | None
    """The unit of the value that is filled in."""
    source: Message
    """Where the value comes from."""
    is_fixed: bool
    """Whether it cannot be changed here."""
    is_wrong: bool
    """Whether the value that was sent is not valid."""


@dataclass(frozen=True, slots=True)
class SettingsView:
    """The settings as their sources are now, which the next start reads."""

    main: Settings
    """Those of the main file and the environment."""
    changes: Changes
    """Those of the second file."""
    desired: Changes
    """Those of the third file, which the head office wants."""
    next: Settings
    """Those of all sources."""

    @property
    def fixed(self) -> frozenset[tuple[str, str]]:
        """What cannot be changed in the console."""
        return find_environment_keys() | self.desired.keys()


async def show_settings(context: PageContext) -> web.StreamResponse:
    """Show the form, and where each value comes from."""
    return _render(context, await asyncio.to_thread(_load, context))


async def change_settings(context: PageContext) -> web.StreamResponse:
    """Check the form as a whole and write the second file, or nothing."""
    form = await context.read_form()
    view = await asyncio.to_thread(_load, context)
    given = _read_form(form, view)
    if ("provisioning", "password") in given and not is_private(context.request):
        problem = InvalidRequest([FieldError("provisioning.password", _NEEDS_HTTPS)])
        return _render(context, view, problem=problem, wrong={"provisioning.password"}, given=given)
    try:
        new = apply_changes(view.main, {**view.changes, **given})
    except ValidationError as exc:
        places = [".".join(str(part) for part in one["loc"][:2]) for one in exc.errors()]
        problem = InvalidRequest([FieldError(places[0], describe_errors(exc))])
        return _render(context, view, problem=problem, wrong=set(places), given=given)
    kept = {**view.changes, **given}
    changes = {
        key: _value(new, key)
        for key in kept
        if key not in find_environment_keys() and (key in view.desired or _value(new, key) != _value(view.main, key))
    }
    changed = [one.name for one in CHANGEABLE if _differs(changes, view.changes, (one.section, one.key))]
    if not changed:
        mark_unchanged(context.request)
        return context.redirect(SETTINGS, notice=message("Nothing was changed."))
    await _write(context, changes)
    name_object(context.request, ", ".join(changed))
    return context.redirect(SETTINGS, notice=message("Saved. It holds after a restart of the gateway."))


async def reset_settings(context: PageContext) -> web.StreamResponse:
    """Let the main settings file alone count again."""
    await _write(context, {})
    return context.redirect(SETTINGS, notice=message("The main settings file counts again, after a restart."))


async def restart(context: PageContext) -> web.StreamResponse:
    """End the gateway, so that the service manager starts it with the new settings."""
    end = context.gateway.restart
    if end is None:
        raise Conflict(_NO_RESTART)
    asyncio.get_running_loop().call_later(_RESTART_DELAY_S, end)
    # The page shows itself anew as soon as the gateway is back.
    return context.redirect(f"{SETTINGS}?restarts", notice=message("The gateway restarts. That takes up to a minute."))


def _load(context: PageContext) -> SettingsView:
    gateway = context.gateway
    try:
        main = load_main_settings(gateway.settings_file)
    except SettingsError as exc:
        raise Conflict(describe_error(exc)) from exc
    changes: Changes = {}
    settings = main
    try:
        found = read_changes(_find_file(context))
        settings, changes = apply_changes(main, found), found
    except (SettingsError, ValidationError) as exc:
        _log.warning("settings that were changed in the console do not count: %s", exc)
    if not settings.fleet.servers:
        return SettingsView(main, changes, {}, settings)
    try:
        desired = read_desired(gateway.directory.path / DESIRED_SETTINGS_FILE, settings.fleet).changes
        return SettingsView(main, changes, desired, apply_changes(settings, desired))
    except (SettingsError, ValidationError) as exc:
        _log.warning("settings that the head office wants do not count: %s", exc)
        return SettingsView(main, changes, {}, settings)


def _find_file(context: PageContext) -> Path:
    return context.gateway.directory.path / CHANGED_SETTINGS_FILE


async def _write(context: PageContext, changes: Changes) -> None:
    file = _find_file(context)
    try:
        await asyncio.to_thread(write_changes, file, changes)
    except OSError as exc:
        raise StateError(message("{file} cannot be written: {reason}", file=file, reason=exc)) from exc


def _read_form(form: Form, view: SettingsView) -> dict[tuple[str, str], Any]:
    """Return what the form says of each setting that can be changed; an empty password says nothing."""
    given: dict[tuple[str, str], Any] = {}
    for setting in CHANGEABLE:
        key, name = (setting.section, setting.key), setting.name
        control = _find_control(setting)
        if key in view.fixed:
            continue
        if control == "password":
            if form.raw_text(name):
                given[key] = form.raw_text(name)
        elif control == "choices":
            given[key] = form.texts(name)
        elif control == "tick":
            given[key] = form.is_ticked(name)
        elif name in form.fields:
            lines = [line.strip() for line in form.text(name).splitlines()]
            units = list_units(setting.key)
            if control == "lines":
                given[key] = [line for line in lines if line]
            elif units:
                given[key] = parse_quantity(form.text(name), form.text(f"{name}.unit"), units)
            else:
                given[key] = form.text(name)
    return given


def _find_model(setting: ChangeableSetting) -> type[BaseModel]:
    model: type[BaseModel] = type(getattr(Settings(), setting.section))
    return model


def _find_control(setting: ChangeableSetting) -> Literal["text", "number", "lines", "choices", "tick", "password"]:
    kind = _find_model(setting).model_fields[setting.key].annotation
    if setting.is_secret:
        return "password"
    if kind is bool:
        return "tick"
    if kind in (int, float):
        return "number"
    if get_origin(kind) is list:
        return "lines" if get_args(kind) == (str,) else "choices"
    return "text"


def _find_bounds(setting: ChangeableSetting) -> dict[str, Any]:
    """Return the bounds of the model as HTML attributes."""
    field = _find_model(setting).model_fields[setting.key]
    names = {"ge": "min", "le": "max", "max_length": "maxlength"}
    bounds = {html: getattr(one, name) for one in field.metadata for name, html in names.items() if hasattr(one, name)}
    return bounds | ({"step": "any" if field.annotation is float else 1} if _find_control(setting) == "number" else {})


def _value(settings: Settings, key: tuple[str, str]) -> Any:
    return getattr(getattr(settings, key[0]), key[1])


def _differs(new: Changes, old: Changes, key: tuple[str, str]) -> bool:
    return new.get(key) != old.get(key)


def _find_source(view: SettingsView, key: tuple[str, str]) -> str:
    if key in find_environment_keys():
        return "environment"
    if key in view.desired:
        return "office"
    if key in view.changes:
        return "console"
    return "file" if key[1] in getattr(view.main, key[0]).model_fields_set else "default"


def _make_field(view: SettingsView, setting: ChangeableSetting, wrong: set[str], given: Changes) -> SettingField:
    key = (setting.section, setting.key)
    control = _find_control(setting)
    value = "" if control == "password" else given.get(key, _value(view.next, key))
    units = list_units(setting.key)
    unit = choose_unit(units, value) if units else None
    if unit is not None and isinstance(value, int | float):
        value = value / unit.factor
    if control == "number" and isinstance(value, float) and value.is_integer():
        value = int(value)
    [item] = get_args(_find_model(setting).model_fields[setting.key].annotation) if control == "choices" else [None]
    choices = {one: _CHOICES[one] for one in get_args(item)} if item is not None else {}
    source = _find_source(view, key)
    return SettingField(
        setting,
        control,
        "\n".join(value) if control == "lines" else value,
        choices,
        {"min": 0, "step": "any"} if units else _find_bounds(setting),
        units,
        unit,
        _SOURCES[source],
        source in ("environment", "office"),
        setting.name in wrong,
    )


def _needs_restart(view: SettingsView, running: Settings) -> bool:
    """Tell whether the next start has other settings. Of a password only the one of this page is known here."""
    keys = [(one.section, one.key) for one in CHANGEABLE]
    secret = ("provisioning", "password")
    return any(_value(view.next, key) != _value(running, key) for key in keys if key != secret or key in view.changes)


def _render(
    context: PageContext,
    view: SettingsView,
    *,
    problem: InvalidRequest | None = None,
    wrong: set[str] | None = None,
    given: Changes | None = None,
) -> web.Response:
    return context.render(
        "shop_settings.html",
        status=200 if problem is None else problem.status,
        tabs=TABS,
        fields=[_make_field(view, one, wrong or set(), given or {}) for one in CHANGEABLE],
        problem=problem,
        takes_secrets=is_private(context.request),
        has_changes=bool(view.changes),
        needs_restart=_needs_restart(view, context.gateway.settings),
        restarts="restarts" in context.request.query,
        can_restart=context.gateway.restart is not None,
    )


PAGES = (
    ConsolePage("GET", "shop/settings", show_settings, "admin"),
    ConsolePage("POST", "shop/settings", change_settings, "admin", does=message("Change settings")),
    ConsolePage(
        "POST", "shop/settings/reset", reset_settings, "admin", does=message("Undo the settings changed in the console")
    ),
    ConsolePage("POST", "shop/settings/restart", restart, "admin", does=message("Restart the gateway")),
)
