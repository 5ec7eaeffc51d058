"""The backup and the support bundle as downloads, and which version is installed."""

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from aiohttp import web

from firmware_tools.language import message
from gateway.api.support import make_support_bundle
from gateway.console.page import ConsolePage, PageContext
from gateway.console.restore import describe_restoration
from gateway.console.shop import BACKUP, TABS
from gateway.console.site_page import is_private
from gateway.errors import Conflict
from gateway.storage.state_directory import DOWNLOAD_PREFIX, delete_abandoned_folders

_CHUNK_BYTES: Final = 256 * 1024
_ASK: Final = message(
    "This connection is not encrypted, and the backup holds every secret: tick the box if nobody else is on this Wi-Fi."
)
_BUSY: Final = message("another file is being made already; wait until it is downloaded")


async def show_backup(context: PageContext) -> web.StreamResponse:
    """Offer the backup, and say which version is installed."""
    private = is_private(context.request)
    return context.render(
        "shop_backup.html", tabs=TABS, needs_tick=not private, takes_backup=private, **describe_restoration(context)
    )


async def download_backup(context: PageContext) -> web.StreamResponse:
    """Make a backup, send it, and delete it here."""
    # Imported here, since it takes memory and is rarely needed.
    from gateway.backup.create import create_backup

    form = await context.read_form()
    if not is_private(context.request) and not form.is_ticked("readable"):
        return context.redirect(BACKUP, notice=_ASK, failed=True)
    gateway = context.gateway

    async def make(file: Path) -> None:
        await asyncio.to_thread(create_backup, gateway.settings, gateway.settings_file, file)

    return await _download(context, "sunmi-gateway", make)


async def download_support_bundle(context: PageContext) -> web.StreamResponse:
    """Make a support bundle, send it, and delete it here."""
    return await _download(context, "sunmi-gateway-support", lambda file: make_support_bundle(context.gateway, file))


async def _download(context: PageContext, name: str, make: Callable[[Path], Awaitable[None]]) -> web.StreamResponse:
    """Make a file, send it, and delete it here. Raises `Conflict` while another one is made."""
    lock = context.site.download_lock
    if lock.locked():
        raise Conflict(_BUSY)
    directory = context.gateway.directory.path
    async with lock:
        delete_abandoned_folders(directory, DOWNLOAD_PREFIX)
        with tempfile.TemporaryDirectory(prefix=DOWNLOAD_PREFIX, dir=directory) as folder:
            file = Path(folder) / "download.tar.gz"
            await make(file)
            return await _send(context.request, name, file)


async def _send(request: web.Request, name: str, file: Path) -> web.StreamResponse:
    """Send a file as a download, with the time in its name. A browser that goes away ends it."""
    name = f"{name}-{time.strftime('%Y-%m-%d-%H%M', time.gmtime())}.tar.gz"
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
    ConsolePage(
        "POST",
        "shop/support-bundle",
        download_support_bundle,
        "admin",
        does=message("Download a support bundle"),
    ),
)
