"""Restoring a backup in the console: it is uploaded, checked, confirmed, and put in its place at the next start."""

import asyncio
import dataclasses
import tempfile
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from firmware_tools.language import Message, describe_error, message
from gateway.api.changes import name_object
from gateway.console.page import ConsolePage, PageContext
from gateway.console.shop import BACKUP
from gateway.console.site_page import is_private
from gateway.errors import Conflict, Forbidden, SettingsError, StateError
from gateway.events.system_events import MIN_FREE_BYTES
from gateway.settings import load_settings
from gateway.storage.state_directory import UPLOAD_PREFIX, delete_abandoned_folders
from gateway.storage.state_replacement import (
    OUTCOME_FILE,
    ReplacementOutcome,
    WaitingState,
    clear_stage,
    load_outcome,
    load_waiting,
    save_waiting,
)

_MAX_UPLOAD_BYTES: Final = 8 * 1024**3
_BUSY: Final = message("another backup is being received or made; wait until that is done")
_NEEDS_HTTPS: Final = message("a backup is taken over HTTPS only; open the console with https://")
_NO_FILE: Final = message("Choose the file of a backup first.")
_NONE: Final = message("no backup waits; it was discarded, or the gateway was restarted: upload it again")


def describe_restoration(context: PageContext) -> dict[str, Any]:
    """Return what the page shows of a backup that waits, and of the last one."""
    gateway = context.gateway
    directory = gateway.directory.path
    return {
        "waiting": load_waiting(directory),
        "outcome": load_outcome(directory),
        "account": gateway.settings.cloud.app_id,
        "now": {
            "camera": len(gateway.registry.all()),
            "token": len(gateway.tokens.all()),
            "waiting": gateway.outbox.depth,
        },
        "can_restart": gateway.restart is not None,
    }


def find_outcome(context: PageContext) -> ReplacementOutcome | None:
    """Return what became of the last backup, until a person has taken note; None for who may not restore."""
    return load_outcome(context.gateway.directory.path) if "admin" in context.scopes else None


async def upload_backup(context: PageContext) -> web.StreamResponse:
    """Receive a backup, check it as a whole, and show what is in it."""
    # Imported here, since it takes memory and is rarely needed.
    from gateway.backup.stage import stage_backup

    if not is_private(context.request):
        raise Forbidden(_NEEDS_HTTPS)
    lock = context.site.download_lock
    if lock.locked():
        raise Conflict(_BUSY)
    gateway = context.gateway
    directory = gateway.directory.path
    async with lock:
        delete_abandoned_folders(directory, UPLOAD_PREFIX)
        with tempfile.TemporaryDirectory(prefix=UPLOAD_PREFIX, dir=directory) as folder:
            file = Path(folder) / "backup.tar.gz"
            try:
                upload = await context.open_upload(_MAX_UPLOAD_BYTES)
                if not await upload.save(file, min_free_bytes=MIN_FREE_BYTES):
                    return context.redirect(BACKUP, notice=_NO_FILE, failed=True)
                settings = load_settings(gateway.settings_file, with_secret=False)
                state = await stage_backup(file, directory, settings, min_free_bytes=MIN_FREE_BYTES)
            except (StateError, SettingsError, OSError) as exc:
                reason = describe_error(exc)
                return context.redirect(BACKUP, notice=_describe_refusal(reason, file), failed=True)
    name_object(context.request, state.made_at)
    notice = message("The backup is whole. Nothing is changed yet: look at what it holds.")
    return context.redirect(f"{BACKUP}#restore", notice=notice)


def _describe_refusal(reason: str, file: Path) -> str:
    if isinstance(reason, Message):  # named as the person knows it
        values = {name: file.name if value == str(file) else value for name, value in reason.values.items()}
        reason = Message(reason.template, values, reason.key)
    return message("The backup was not taken: {reason}", reason=reason)


async def confirm(context: PageContext) -> web.StreamResponse:
    """Have the next start put the backup in its place, if the person has typed its date."""
    form = await context.read_form()
    state = _find_waiting(context)
    if form.text("confirm") != state.made_at[:10]:
        notice = message("Nothing was done: the date that was typed is not {date}.", date=state.made_at[:10])
        return context.redirect(f"{BACKUP}#restore", notice=notice, failed=True)
    confirmed = dataclasses.replace(state, confirmed=True, who=context.name)
    try:
        await asyncio.to_thread(save_waiting, context.gateway.directory.path, confirmed)
    except OSError as exc:
        raise StateError(message("the backup cannot be kept: {reason}", reason=exc)) from exc
    name_object(context.request, state.made_at)
    return context.redirect(f"{BACKUP}#restore", notice=message("The next start of the gateway restores the backup."))


async def discard(context: PageContext) -> web.StreamResponse:
    """Delete the backup that waits."""
    state = _find_waiting(context)
    try:
        await asyncio.to_thread(clear_stage, context.gateway.directory.path)
    except OSError as exc:
        raise StateError(message("the backup cannot be deleted: {reason}", reason=exc)) from exc
    name_object(context.request, state.made_at)
    return context.redirect(BACKUP, notice=message("The backup was discarded. Everything stays as it is."))


async def dismiss(context: PageContext) -> web.StreamResponse:
    """Forget what became of the last backup."""
    await asyncio.to_thread((context.gateway.directory.path / OUTCOME_FILE).unlink, missing_ok=True)
    return context.redirect(BACKUP)


def _find_waiting(context: PageContext) -> WaitingState:
    if context.site.download_lock.locked():
        raise Conflict(_BUSY)
    state = load_waiting(context.gateway.directory.path)
    if state is None:
        raise Conflict(_NONE)
    return state


PAGES = (
    ConsolePage(
        "POST",
        "shop/restore",
        upload_backup,
        "admin",
        does=message("Upload a backup to restore"),
        max_upload_bytes=_MAX_UPLOAD_BYTES,
    ),
    ConsolePage("POST", "shop/restore/confirm", confirm, "admin", does=message("Have a backup restored")),
    ConsolePage("POST", "shop/restore/discard", discard, "admin", does=message("Discard a backup that waits")),
    ConsolePage("POST", "shop/restore/dismiss", dismiss, "admin", audited=False),
)
