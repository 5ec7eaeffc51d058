"""Makes a support bundle: what somebody else needs to help, without secrets."""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final

from firmware_tools.language import message
from gateway.changed_settings import load_all_settings
from gateway.errors import GatewayError, SettingsError
from gateway.labels.label_health_table import LabelHealth, find_health
from gateway.outbox.item_table import Count, count_items
from gateway.runtime.redaction import Redactor
from gateway.settings import ENVIRONMENT_PREFIX, SECRET_SETTINGS, Settings
from gateway.storage import health
from gateway.storage.read_only import open_read_only
from gateway.storage.state_directory import StateDirectory
from gateway.support import bundle
from gateway.support.stored_secrets_table import load_stored_secrets

Get = Callable[[str], Awaitable[Any]]
"""Gets the JSON of a path below `/api/v1/`. Raises `GatewayError`."""
Connect = Callable[[Settings], AbstractAsyncContextManager[Get]]
"""Reaches the gateway with these settings. Raises `GatewayError`."""
CollectFindings = Callable[[], Awaitable[list[dict[str, Any]]]]
"""Returns the doctor's findings, as `POST /api/v1/doctor` shows them."""

_SECRET_KEYS: Final = "|".join(sorted({key for _, key in SECRET_SETTINGS}))
_SECRET_LINE: Final = re.compile(rf"^\s*(?:\w+\.)?(?:{_SECRET_KEYS})\s*=\s*(['\"]+)(.*)\1", re.MULTILINE)
_MAX_DATABASE_CHECK_S: Final = 15.0
_TIMEOUT_S: Final = 30.0
_STATES: Final = ("waiting", "refused", "expired")


async def create_bundle(
    target: Path,
    settings_file: Path | None,
    *,
    connect: Connect,
    collect_findings: CollectFindings,
    log: Path | None = None,
    secrets: Iterable[str] = (),
) -> list[str]:
    """Write a bundle into a new file, and return the names of what is in it.

    It holds the log `log`, else the service's journal. `secrets` are known ones beside those of settings and database.
    Raises `StateError`.
    """
    versions = await asyncio.to_thread(bundle.collect_versions)
    parts: dict[str, Any] = {"versions.json": versions, "log.txt": await asyncio.to_thread(bundle.read_log, log)}
    known = {*secrets} | _find_secrets_in_file(settings_file) | _find_secrets_in_environment()
    try:
        settings = load_all_settings(settings_file).settings
    except SettingsError as exc:
        parts["settings.json"] = {"file": str(settings_file), "error": str(exc)}
    else:
        known |= set(settings.secrets)
        parts["settings.json"] = {"file": str(settings_file), "settings": settings.describe()}
        # First, since a gateway that is opened for this removes what it cannot use, but the log may hold it still.
        parts["database.json"] = await asyncio.to_thread(_examine_database, settings, known)
        parts |= await _ask_gateway(settings, connect)
    parts["doctor.json"] = {"findings": await collect_findings()}
    return await asyncio.to_thread(bundle.write_bundle, target, parts, Redactor(known))


def _find_secrets_in_file(path: Path | None) -> set[str]:
    """Return the secrets in a settings file, even if it is not valid."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace") if path is not None else ""
    except OSError:
        return set()
    return {match[2] for match in _SECRET_LINE.finditer(text)}


def _find_secrets_in_environment() -> set[str]:
    """Return the secrets among the settings of the environment."""
    names = {f"{ENVIRONMENT_PREFIX}{section}__{key}".upper() for section, key in SECRET_SETTINGS}
    return {value for name, value in os.environ.items() if name.upper() in names}


def _examine_database(settings: Settings, secrets: set[str]) -> dict[str, Any]:
    """Return the health of the database, and add the secrets in it to `secrets`."""
    path = StateDirectory.database_in(settings.state_directory)
    if not path.exists():
        return {"file": str(path), "exists": False}
    try:
        secrets |= load_stored_secrets(path)
        result = health.examine(path, limit_s=_MAX_DATABASE_CHECK_S)
        counts: list[Count] = []
        labels: LabelHealth | None = None
        if result.complete:
            with open_read_only(path) as connection:
                counts = count_items(connection)
                labels = find_health(connection, now=None)
    except GatewayError as exc:
        return {"file": str(path), "error": str(exc)}
    return {
        "file": str(path),
        **result._asdict(),
        "outbox": [count._asdict() for count in counts],
        "labels": None if labels is None else labels.describe(),
    }


async def _ask_gateway(settings: Settings, connect: Connect) -> dict[str, Any]:
    """Return status, cameras and outbox of the gateway, or why it does not respond."""
    try:
        async with asyncio.timeout(_TIMEOUT_S), connect(settings) as get:
            items = {state: (await get(f"outbox?state={state}&limit=500"))["items"] for state in _STATES}
            return {
                "status.json": await get("status"),
                "cameras.json": await get("cameras"),
                "outbox.json": {state: list(map(bundle.remove_content, some)) for state, some in items.items()},
            }
    except (GatewayError, TimeoutError) as exc:
        return {"status.json": {"error": str(exc) or message("the running gateway does not respond")}}
