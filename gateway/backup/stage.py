"""A backup that waits: its state is ready beside the present one, and the next start puts it in its place."""

import asyncio
import shutil
from pathlib import Path
from typing import Final

from firmware_tools.language import message
from gateway.backup import archive
from gateway.backup.archive import FILES, SETTINGS
from gateway.backup.restore import check_archive, prepare_state
from gateway.errors import SettingsError, StateError
from gateway.settings import Settings, parse_settings
from gateway.storage.state_replacement import WaitingState, clear_stage, save_waiting

KEPT_SETTINGS: Final = "restored-settings"
"""The folder in the restored state that keeps the settings of the backup, for a person."""
COUNTED: Final = ("camera", "token")
"""The tables whose rows tell a person what a state holds."""


async def stage_backup(file: Path, directory: Path, settings: Settings, *, min_free_bytes: int) -> WaitingState:
    """Check an archive as a whole and make its state ready in a directory; it waits for a person's confirmation.

    `settings` are those of this machine, without those changed in the console. Raises `StateError`, and nothing waits
    then: it is damaged, newer than this version, or there is no room.
    """
    contents = await asyncio.to_thread(check_archive, file)
    try:
        needed = 2 * contents.database_bytes + min_free_bytes  # a change of the schema copies the database
        if shutil.disk_usage(directory).free < needed:
            raise StateError(message("{path}: the disk has no room for {bytes} bytes", path=directory, bytes=needed))
        prepared = await prepare_state(file, contents, directory, settings)
        kept = prepared.folder / KEPT_SETTINGS
        kept.mkdir(mode=0o700)
        for inside in (SETTINGS, FILES):
            await asyncio.to_thread(archive.extract, file, contents.manifest, inside, kept)
        state = WaitingState(
            contents.manifest.created_at,
            contents.manifest.version,
            _find_account(contents.settings),
            {table: prepared.rows.get(table, 0) for table in COUNTED},
            prepared.held,
            prepared.settings_problem,
            labels=prepared.labels,
        )
        await asyncio.to_thread(save_waiting, directory, state)
    except OSError as exc:
        clear_stage(directory)
        raise StateError(message("the backup cannot be unpacked: {reason}", reason=exc)) from exc
    except BaseException:
        clear_stage(directory)
        raise
    return state


def _find_account(settings: str | None) -> str:
    """Return the account in the settings of a backup; empty if they have none, or are not valid."""
    try:
        return parse_settings(settings or "", SETTINGS, with_secret=False).cloud.app_id
    except SettingsError:
        return ""
