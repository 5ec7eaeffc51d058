"""The check of the settings that were changed in the console."""

import asyncio
from pathlib import Path

from pydantic import ValidationError

from firmware_tools.language import count_message, describe_error, message
from gateway.changed_settings import apply_changes, list_set_aside, read_changes
from gateway.desired_settings import read_desired
from gateway.doctor.check import CheckContext, Finding, Status
from gateway.errors import SettingsError
from gateway.settings import Settings, describe_errors
from gateway.storage.state_directory import CHANGED_SETTINGS_FILE, DESIRED_SETTINGS_FILE


async def check_changed_settings(context: CheckContext) -> list[Finding]:
    """Check that the second settings file counts, and that none was set aside."""
    return await asyncio.to_thread(_check, context, context.settings.state_directory / CHANGED_SETTINGS_FILE)


def _check(context: CheckContext, file: Path) -> list[Finding]:
    advice = message("change the settings again on the console's page Shop, Settings; then delete the file")
    try:
        changes = read_changes(file)
        apply_changes(context.settings, changes)
    except ValidationError as exc:
        return [Finding("warning", describe_errors(exc), what_to_do=advice)]
    except SettingsError as exc:
        status: Status = "skipped" if isinstance(exc.__cause__, PermissionError) else "warning"
        return [Finding(status, describe_error(exc), what_to_do=advice)]
    if bad := list_set_aside(file.parent):
        what = message("files of settings in the state directory were not valid and do not count")
        return [Finding("warning", what, ", ".join(bad[:10]), advice)]
    names = ", ".join(f"{section}.{key}" for section, key in changes)
    what = count_message(
        "{count} setting was changed in the console", "{count} settings were changed in the console", len(changes)
    )
    return [Finding("ok", what, names), *_check_desired(file.with_name(DESIRED_SETTINGS_FILE), context.settings)]


def _check_desired(file: Path, settings: Settings) -> list[Finding]:
    """Tell what the head office has set, and what of it was taken back. A file that is damaged is set aside anyway."""
    try:
        desired = read_desired(file, settings.fleet)
    except SettingsError:
        return []
    findings: list[Finding] = []
    if desired.settings:
        what = count_message(
            "{count} setting is set by the head office",
            "{count} settings are set by the head office",
            len(desired.settings),
        )
        findings.append(Finding("ok", what, ", ".join(desired.settings)))
    if desired.rolled_back:
        what = message("settings of the head office did not work in this shop and were taken back")
        advice = message("the head office has to change what it wants; the shop tries nothing of it again until then")
        findings.append(Finding("warning", what, ", ".join(desired.rolled_back), advice))
    return findings
