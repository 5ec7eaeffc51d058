"""The check of the settings that were changed in the console."""

import asyncio
from pathlib import Path

from pydantic import ValidationError

from firmware_tools.language import describe_error, message
from gateway.changed_settings import apply_changes, list_set_aside, read_changes
from gateway.doctor.check import CheckContext, Finding, Status
from gateway.errors import SettingsError
from gateway.settings import describe_errors
from gateway.storage.state_directory import CHANGED_SETTINGS_FILE


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
        what = message("settings that were changed in the console were not valid and do not count")
        return [Finding("warning", what, ", ".join(bad[:10]), advice)]
    names = ", ".join(f"{section}.{key}" for section, key in changes)
    return [Finding("ok", message("{count} settings were changed in the console", count=len(changes)), names)]
