"""The command that finds out why the gateway does not work."""

import asyncio
import os
import stat
import sys
from pathlib import Path
from typing import Any, Final

import click
from rich.cells import cell_len
from rich.console import Console

from firmware_tools.command_language import localize
from firmware_tools.language import describe_error, message
from gateway.changed_settings import load_all_settings
from gateway.cli.client import ApiError, connect_api
from gateway.cli.command import CommandContext, run_command
from gateway.doctor.check import CheckContext, Finding, run_checks
from gateway.doctor.checks import CHECKS
from gateway.errors import GatewayError, SettingsError
from gateway.settings import DOCUMENTED_FILE, Settings, find_settings_file
from gateway.storage.state_directory import StateDirectory

_TIMEOUT_S: Final = 60.0
_STATUS_TIMEOUT_S: Final = 5.0
_COLOURS: Final = {"ok": "green", "warning": "yellow", "failed": "red", "skipped": "dim"}
_STATUS_WORDS: Final = {
    "ok": message("ok"),
    "warning": message("warning"),
    "failed": message("failed"),
    "skipped": message("skipped"),
}


@click.command()
@click.pass_obj
def doctor(context: CommandContext) -> None:
    """Find out why it does not work: settings, clock, cloud, network, cameras, database, disk, outbox, events.

    Works with and without a running gateway. Exit status 1 if a check failed.
    """

    async def work() -> None:
        document = {"findings": await collect_findings(context)}
        context.emit(document, _render)
        if any(one["status"] == "failed" for one in document["findings"]):
            sys.exit(1)

    run_command(context, work())


async def collect_findings(context: CommandContext) -> list[dict[str, Any]]:
    """Return the findings on the settings and on the gateway, and those of the gateway, else of this process."""
    path = find_settings_file(context.config)
    try:
        settings = load_all_settings(path).settings
    except SettingsError as exc:
        advice = message(
            "correct it; {documented_file} explains each setting, `sunmi-gateway init` writes a first file",
            documented_file=DOCUMENTED_FILE,
        )
        return [Finding("failed", describe_error(exc), what_to_do=advice, check="settings").describe()]
    settings_findings = [one._replace(check="settings").describe() for one in _check_settings_files(path, settings)]
    held = False
    try:
        held = StateDirectory.is_held(settings.state_directory)
        async with asyncio.timeout(_TIMEOUT_S), connect_api(settings) as api:
            async with asyncio.timeout(_STATUS_TIMEOUT_S):
                await api.get("status")
            found = (await api.post("doctor", {}))["findings"]
            what = message("a gateway runs") if held else message("no gateway runs on this state directory now")
            gateway = Finding("ok" if held else "skipped", what, str(settings.state_directory))
    except (GatewayError, ApiError, TimeoutError) as exc:
        reason = describe_error(exc)
        what, advice = (
            message("no gateway can start with these settings"),
            message("correct it, then run the doctor again"),
        )
        if held:
            what, advice = (
                message("a gateway runs, but does not respond"),
                message("restart it: systemctl restart sunmi-gateway"),
            )
        gateway = Finding("failed", what, reason, advice)
        found = [one.describe() for one in await run_checks(CheckContext(settings, None), CHECKS)]
    return [*settings_findings, gateway._replace(check="gateway").describe(), *found]


def _check_settings_files(path: Path | None, settings: Settings) -> list[Finding]:
    if path is None:
        return [
            Finding("warning", message("there is no settings file"), what_to_do=message("run `sunmi-gateway init`"))
        ]
    findings = []
    for file in (path, *map(Path, filter(None, [settings.cloud.secret_key_file, settings.provisioning.password_file]))):
        if os.name == "posix" and file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP):
            mode = f"mode {stat.S_IMODE(file.stat().st_mode):04o}"
            what = message("{file} is open to other users, and holds secrets", file=file)
            findings.append(Finding("warning", what, mode, f"chmod o-rwx,g-w {file}"))
    return [*findings, Finding("ok", message("{path} can be used", path=path))]


def _render(document: dict[str, Any]) -> None:
    console = Console(highlight=False, emoji=False)
    for one in document["findings"]:
        status = one["status"]
        shown = localize(_STATUS_WORDS[status])
        padding = " " * max(0, 8 - cell_len(shown))
        console.print(f"[{_COLOURS[status]}]{shown}{padding}[/] {one['check'].ljust(18)} ", end="")
        console.print(localize(one["what"]), markup=False, soft_wrap=True)
        for prefix, member in (("  ", "evidence"), ("->", "what_to_do")):
            if one[member]:
                console.print(f"{' ' * 25} {prefix} {localize(one[member])}", markup=False, soft_wrap=True)
    counts = {status: sum(one["status"] == status for one in document["findings"]) for status in _COLOURS}
    console.print(", ".join(f"{count} {localize(_STATUS_WORDS[status])}" for status, count in counts.items()))
