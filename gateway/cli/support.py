"""The command that packs a support bundle: what somebody else needs to help, without secrets."""

import asyncio
import os
import re
from pathlib import Path
from typing import Any, Final

import click

from firmware_tools.language import message
from gateway.cli.client import ApiError, connect_api
from gateway.cli.command import CommandContext, run_command
from gateway.cli.doctor import collect_findings
from gateway.cli.output import print_members, print_message
from gateway.errors import GatewayError, SettingsError
from gateway.outbox.item_table import Count, count_items
from gateway.runtime.redaction import Redactor
from gateway.settings import ENVIRONMENT_PREFIX, SECRET_SETTINGS, Settings, find_settings_file, load_settings
from gateway.storage import health
from gateway.storage.read_only import open_read_only
from gateway.storage.state_directory import StateDirectory
from gateway.support import bundle
from gateway.support.stored_secrets_table import load_stored_secrets

_SECRET_KEYS: Final = "|".join(sorted({key for _, key in SECRET_SETTINGS}))
_SECRET_LINE: Final = re.compile(rf"^\s*(?:\w+\.)?(?:{_SECRET_KEYS})\s*=\s*(['\"]+)(.*)\1", re.MULTILINE)
_MAX_DATABASE_CHECK_S: Final = 15.0
_TIMEOUT_S: Final = 30.0
_STATES: Final = ("waiting", "refused", "expired")


@click.command("support-bundle")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--log", type=click.Path(path_type=Path, dir_okay=False), help="A log, instead of the service's journal.")
@click.pass_obj
def support_bundle(context: CommandContext, file: Path, log: Path | None) -> None:
    """Pack what somebody else needs to help into a new file (.tar.gz), without secrets and without content.

    Settings, the doctor's findings, status, versions, log, cameras, and what became of calls for the cloud.
    """

    async def work() -> None:
        parts: dict[str, Any] = {"versions.json": bundle.collect_versions(), "log.txt": bundle.read_log(log)}
        path = find_settings_file(context.config)
        secrets = _find_secrets_in_file(path) | _find_secrets_in_environment()
        try:
            settings = load_settings(path)
        except SettingsError as exc:
            parts["settings.json"] = {"file": str(path), "error": str(exc)}
        else:
            secrets |= set(settings.secrets)
            parts["settings.json"] = {"file": str(path), "settings": settings.describe()}
            # First, since a gateway that is opened for this removes what it cannot use, but the log may hold it still.
            parts["database.json"] = _examine_database(settings, secrets)
            parts |= await _ask_gateway(settings)
        parts["doctor.json"] = {"findings": await collect_findings(context)}
        names = bundle.write_bundle(file, parts, Redactor(secrets))
        context.emit({"bundle": str(file), "files": names}, print_members)
        print_message(
            message(
                "{file} holds no secrets; it names cameras, addresses and the account. Look into it "
                "before you send it.",
                file=file,
            )
        )

    run_command(context, work())


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
        if result.complete:
            with open_read_only(path) as connection:
                counts = count_items(connection)
    except GatewayError as exc:
        return {"file": str(path), "error": str(exc)}
    return {"file": str(path), **result._asdict(), "outbox": [count._asdict() for count in counts]}


async def _ask_gateway(settings: Settings) -> dict[str, Any]:
    """Return status, cameras and outbox of the gateway, or why it does not respond."""
    try:
        async with asyncio.timeout(_TIMEOUT_S), connect_api(settings) as api:
            items = {state: (await api.get(f"outbox?state={state}&limit=500"))["items"] for state in _STATES}
            return {
                "status.json": await api.get("status"),
                "cameras.json": await api.get("cameras"),
                "outbox.json": {state: list(map(bundle.remove_content, some)) for state, some in items.items()},
            }
    except (GatewayError, ApiError, TimeoutError) as exc:
        return {"status.json": {"error": str(exc) or "the running gateway does not respond"}}
