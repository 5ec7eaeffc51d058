"""A support bundle of the running gateway: for the console, and for the head office."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from firmware_tools.language import describe_error, message
from gateway.api.doctor import examine
from gateway.api.local_socket import HAS_UNIX_SOCKETS, socket_session
from gateway.app import Gateway
from gateway.errors import StateError
from gateway.protocol import json_text

if TYPE_CHECKING:
    from gateway.support.create import Get


async def make_support_bundle(gateway: Gateway, file: Path) -> None:
    """Write a support bundle into a new file. Raises `StateError`."""
    # Imported here, since it takes memory and is rarely needed.
    from gateway.support.create import create_bundle

    async def collect_findings() -> list[dict[str, Any]]:
        findings: list[dict[str, Any]] = (await examine(gateway))["findings"]
        return findings

    await create_bundle(
        file,
        gateway.settings_file,
        connect=lambda _: _connect(gateway),
        collect_findings=collect_findings,
        secrets=gateway.settings.secrets,
    )


@contextlib.asynccontextmanager
async def _connect(gateway: Gateway) -> "AsyncIterator[Get]":
    if not HAS_UNIX_SOCKETS:
        raise StateError(message("this system has no Unix sockets, over which the gateway is asked"))
    async with socket_session(gateway.socket) as session:
        yield lambda path: _get(session, path)


async def _get(session: aiohttp.ClientSession, path: str) -> Any:
    """GET a path below `/api/v1/` as a command would, and return its JSON. Raises `StateError`."""
    try:
        async with session.get(f"/api/v1/{path}") as response:
            response.raise_for_status()
            return json_text.loads(await response.read())
    except aiohttp.ClientError as exc:
        raise StateError(describe_error(exc)) from exc
