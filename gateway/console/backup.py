"""The backup as a download, and which version is installed."""

import asyncio
import contextlib
import ipaddress
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Final

from aiohttp import web

from firmware_tools.language import message
from gateway.console.page import ConsolePage, PageContext
from gateway.console.shop import BACKUP, TABS
from gateway.errors import Conflict

_CHUNK_BYTES: Final = 256 * 1024
_FOLDER_PREFIX: Final = "download-"
"""How the folder begins in which a backup is made: in the state directory, since /tmp may be memory."""
_ASK: Final = message(
    "This connection is not encrypted, and the backup holds every secret: tick the box if nobody else is on this Wi-Fi."
)
_BUSY: Final = message("a backup is being made already; wait until it is downloaded")


async def show_backup(context: PageContext) -> web.StreamResponse:
    """Offer the backup, and say which version is installed."""
    return context.render("shop_backup.html", tabs=TABS, needs_tick=not is_private(context.request))


def is_private(request: web.Request) -> bool:
    """Tell whether nobody else can read what a response holds: it is encrypted, or stays on this machine."""
    if request.secure:
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(request.remote or "").is_loopback
    return False


async def download_backup(context: PageContext) -> web.StreamResponse:
    """Make a backup, send it, and delete it here."""
    # Imported here, since it takes memory and is rarely needed.
    from gateway.backup.create import create_backup

    form = await context.read_form()
    if not is_private(context.request) and not form.is_ticked("readable"):
        return context.redirect(BACKUP, notice=_ASK, failed=True)
    lock = context.site.backup_lock
    if lock.locked():
        raise Conflict(_BUSY)
    gateway = context.gateway
    async with lock:
        for old in gateway.directory.path.glob(f"{_FOLDER_PREFIX}*"):  # of a gateway that was killed
            shutil.rmtree(old, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=_FOLDER_PREFIX, dir=gateway.directory.path) as folder:
            file = Path(folder) / "backup.tar.gz"
            await asyncio.to_thread(create_backup, gateway.settings, gateway.settings_file, file)
            return await _send(context.request, file)


async def _send(request: web.Request, file: Path) -> web.StreamResponse:
    """Send a file as a download. A browser that goes away ends it."""
    name = f"sunmi-gateway-{time.strftime('%Y-%m-%d-%H%M', time.gmtime())}.tar.gz"
    response = web.StreamResponse(
        headers={
            "Content-Type": "application/gzip",
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
    )
    with file.open("rb") as stream, contextlib.suppress(ConnectionResetError):
        response.content_length = os.fstat(stream.fileno()).st_size
        await response.prepare(request)
        while chunk := await asyncio.to_thread(stream.read, _CHUNK_BYTES):
            await response.write(chunk)
        await response.write_eof()
    return response


PAGES = (
    ConsolePage("GET", "shop/backup", show_backup, "admin"),
    ConsolePage("POST", "shop/backup", download_backup, "admin", does=message("Download a backup")),
)
