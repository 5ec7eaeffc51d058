"""The command that packs what somebody else needs to help, without secrets."""

import asyncio
import os
import re
from pathlib import Path
from typing import Any, Final

import click

from gateway.cli.client import ApiError, connect_api
from gateway.cli.command import CommandContext, run_command
from gateway.cli.doctor import collect_findings
from gateway.cli.messages import messages
from gateway.cli.tables import print_members
from gateway.errors import GatewayError, SettingsError
from gateway.settings import ENVIRONMENT_PREFIX, Settings, find_settings_file, load_settings
from gateway.storage import health
from gateway.storage.state_directory import StateDirectory
from gateway.support import bundle
from gateway.support.scrub import masked_settings, scrubber, setting_secrets
from gateway.support.stored_secrets_table import plain_secrets

_IN_FILE: Final = re.compile(
    r"^\s*(?:\w+\.)?(?:secret_key|client_certificate_password)\s*=\s*(['\"]+)(.*)\1", re.MULTILINE
)
_CHECK_S: Final = 15.0
_PATIENCE_S: Final = 30.0
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
        parts: dict[str, Any] = {"versions.json": bundle.versions(), "log.txt": bundle.log_tail(log)}
        parts["doctor.json"] = {"findings": await collect_findings(context)}
        path = find_settings_file(context.config)
        known = _in_file(path) | _in_environment()
        try:
            settings = load_settings(path)
        except SettingsError as exc:
            parts["settings.json"] = {"file": str(path), "error": str(exc)}
        else:
            known |= setting_secrets(settings)
            parts["settings.json"] = {"file": str(path), "settings": masked_settings(settings)}
            parts["database.json"] = _database(settings, known)
            parts |= await _from_gateway(settings)
        names = bundle.write(file, parts, scrubber(known))
        context.emit({"bundle": str(file), "files": names}, print_members)
        messages.print(
            f"{file} holds no secrets; it names cameras, addresses and the account. Look into it before you send it.",
            markup=False, soft_wrap=True,
        )  # fmt: skip

    run_command(context, work())


def _in_file(path: Path | None) -> set[str]:
    """Return the secrets that stand in a settings file, whether or not it can be used."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace") if path is not None else ""
    except OSError:
        return set()
    return {found[2] for found in _IN_FILE.finditer(text)}


def _in_environment() -> set[str]:
    """Return the secrets among the settings of the environment."""
    names = {name for name in os.environ if name.upper().startswith(ENVIRONMENT_PREFIX)}
    return {os.environ[name] for name in names if name.upper().endswith(("SECRET_KEY", "PASSWORD"))}


def _database(settings: Settings, known: set[str]) -> dict[str, Any]:
    """Return the database's health, and add the secrets in it to those that are known."""
    path = StateDirectory.database_in(settings.state_directory)
    if not path.exists():
        return {"file": str(path), "exists": False}
    try:
        known |= plain_secrets(path)
        found = health.examine(path, limit_s=_CHECK_S)
    except GatewayError as exc:
        return {"file": str(path), "error": str(exc)}
    return {"file": str(path), **found._asdict(), "outbox": [count._asdict() for count in found.outbox]}


async def _from_gateway(settings: Settings) -> dict[str, Any]:
    """Return what a gateway tells of itself, or why it does not."""
    try:
        async with asyncio.timeout(_PATIENCE_S), connect_api(settings) as api:
            items = {state: (await api.get(f"outbox?state={state}&limit=500"))["items"] for state in _STATES}
            return {
                "status.json": await api.get("status"),
                "cameras.json": await api.get("cameras"),
                "outbox.json": {state: list(map(bundle.without_content, some)) for state, some in items.items()},
            }
    except (GatewayError, ApiError, TimeoutError) as exc:
        return {"status.json": {"error": str(exc) or "the gateway that runs does not answer"}}
