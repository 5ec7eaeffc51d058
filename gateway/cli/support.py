"""The command that packs a support bundle."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click

from firmware_tools.language import describe_error, message
from gateway.cli.client import ApiError, connect_api
from gateway.cli.command import CommandContext, run_command
from gateway.cli.doctor import collect_findings
from gateway.cli.output import print_members, print_message
from gateway.errors import StateError
from gateway.settings import Settings, find_settings_file
from gateway.support.create import Get, create_bundle


@click.command("support-bundle")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--log", type=click.Path(path_type=Path, dir_okay=False), help="A log, instead of the service's journal.")
@click.pass_obj
def support_bundle(context: CommandContext, file: Path, log: Path | None) -> None:
    """Pack what somebody else needs to help into a new file (.tar.gz), without secrets and without content.

    Settings, the doctor's findings, status, versions, log, cameras, and what became of calls for the cloud.
    """

    async def work() -> None:
        names = await create_bundle(
            file,
            find_settings_file(context.config),
            connect=_connect,
            collect_findings=lambda: collect_findings(context),
            log=log,
        )
        context.emit({"bundle": str(file), "files": names}, print_members)
        print_message(
            message(
                "{file} holds no secrets; it names cameras, addresses and the account. Look into it "
                "before you send it.",
                file=file,
            )
        )

    run_command(context, work())


@asynccontextmanager
async def _connect(settings: Settings) -> AsyncIterator[Get]:
    try:
        async with connect_api(settings) as api:
            yield api.get
    except ApiError as exc:
        raise StateError(describe_error(exc)) from exc
