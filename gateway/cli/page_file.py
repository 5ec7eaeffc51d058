"""Pages that print on A4, written to files."""

import asyncio
from pathlib import Path

from firmware_tools.language import message
from gateway.cli.client import ApiClient
from gateway.cli.command import CommandContext, fail
from gateway.cli.output import print_line
from gateway.storage.private_file import write_private


async def write_page(context: CommandContext, api: ApiClient, path: str, file: Path) -> None:
    """Fetch a page and write it to a file that only its owner can read. Fails if it cannot be written."""
    page = await api.get_bytes(path, accept="text/html")
    try:
        await asyncio.to_thread(write_private, file, page)
    except OSError as exc:
        fail(message("{file} cannot be written: {reason}", file=file, reason=exc))
    if not context.json:
        print_line(message("{file} is written: open it in a browser and print it", file=file))
