"""Arguments of vendor calls: `name=value`, and `name=@file` for a file."""

import io
import mimetypes
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import click

from firmware_tools.command_language import localize
from firmware_tools.language import message
from gateway.protocol.endpoint import Endpoint


def parse_pairs(pairs: Sequence[str]) -> dict[str, str]:
    """Return values by name. Everything after the first `=` belongs to the value.

    Raises `click.UsageError` for an argument that is not a pair, and for a name that is given twice.
    """
    values: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.UsageError(localize(message("{pair!r} is not name=value", pair=pair)))
        if name in values:
            raise click.UsageError(localize(message("{name} is given twice", name=name)))
        values[name] = value
    return values


def build_body(endpoint: Endpoint, pairs: Sequence[str]) -> dict[str, str] | aiohttp.FormData:
    """Return the body of a vendor call. Raises `click.UsageError` for bad pairs, and a file that cannot be read."""
    values = parse_pairs(pairs)
    files = [known.name for known in endpoint.parameters if known.type == "file" and known.name in values]
    if not files:
        return values
    form = aiohttp.FormData()
    for name, value in values.items():
        if name in files:
            path = _find_file(name, value)
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            form.add_field(name, io.BytesIO(path.read_bytes()), filename=path.name, content_type=kind)
        else:
            form.add_field(name, value)
    return form


def _find_file(name: str, value: str) -> Path:
    path = Path(value.removeprefix("@"))
    if not value.startswith("@"):
        raise click.UsageError(localize(message("{name} is a file: give {name}=@FILE", name=name)))
    if not path.is_file():
        raise click.UsageError(localize(message("{name}: {path} is not a file that can be read", name=name, path=path)))
    return path
