"""Arguments of vendor calls on a command line: `name=value`, and `name=@file` for a file."""

import io
import mimetypes
from pathlib import Path
from typing import Any

import aiohttp
import click

from gateway.protocol.endpoint import Endpoint


def build_body(endpoint: Endpoint, pairs: tuple[str, ...]) -> dict[str, Any] | aiohttp.FormData:
    """Return the body of a vendor call; everything after the first `=` belongs to the value.

    Raises `click.UsageError` for an argument that is no pair, is given twice, or names a file that cannot be read.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{pair!r} is not name=value")
        if name in values:
            raise click.UsageError(f"{name} is given twice")
        values[name] = value
    files = [known.name for known in endpoint.parameters if known.type == "file" and known.name in values]
    if not files:
        return values
    form = aiohttp.FormData()
    for name, value in values.items():
        if name in files:
            path = _file(name, value)
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            form.add_field(name, io.BytesIO(path.read_bytes()), filename=path.name, content_type=kind)
        else:
            form.add_field(name, value)
    return form


def _file(name: str, value: str) -> Path:
    path = Path(value.removeprefix("@"))
    if not value.startswith("@"):
        raise click.UsageError(f"{name} is a file: give {name}=@FILE")
    if not path.is_file():
        raise click.UsageError(f"{name}: {path} is not a file that can be read")
    return path
