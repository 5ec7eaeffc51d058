"""The command that takes settings from the boot partition; the service's unit runs it as root before each start."""

from collections.abc import Sequence
from pathlib import Path

import click

from firmware_tools.language import message
from gateway.boot_settings import take_boot_settings
from gateway.cli.command import CommandContext, run_command
from gateway.cli.output import print_message
from gateway.runtime.systemd import find_runtime_directory
from gateway.settings import DOCUMENTED_FILE, SYSTEM_FILE, find_settings_file_to_write
from gateway.updates.boot_source import take_boot_source


@click.command()
@click.argument("folders", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.pass_obj
def take_settings(context: CommandContext, folders: tuple[Path, ...]) -> None:
    """Take sunmi-gateway.toml from the first of these folders as the settings file, and remove it there.

    Take sunmi-gateway.sources, too, for apt: it says where the chain's repository of packages is. Each is checked
    whole before. What happened is in sunmi-gateway.log.txt and sunmi-gateway.sources.log.txt beside them.
    """

    async def work() -> None:
        try:
            _take_source(folders)
        finally:
            _take_settings()

    def _take_settings() -> None:
        file = find_settings_file_to_write(context.config)
        packaged = DOCUMENTED_FILE if file == SYSTEM_FILE else None
        done = take_boot_settings(folders, file, find_runtime_directory(), packaged=packaged)
        if done is None:
            return
        print_message(
            message("{file} was taken as {settings_file}", file=done.file, settings_file=done.settings_file)
            if not done.is_repeat
            else message("{file} had been taken already, and is not taken again", file=done.file)
        )
        if done.put_aside is not None:
            print_message(message("The earlier settings are {path}", path=done.put_aside))
        if done.offers_code:
            print_message(message("Its pairing code is good once, for ten minutes from the start on"))
        if done.joins_as:
            print_message(message("The gateway joins its chain as {shop} with the join code in it", shop=done.joins_as))
        if done.left_because:
            print_message(done.left_because)

    run_command(context, work())


def _take_source(folders: Sequence[Path]) -> None:
    done = take_boot_source(folders)
    if done is None:
        return
    print_message(
        message("{file} was taken: updates come from {address}", file=done.file, address=done.address)
        if done.is_new
        else message("{file} had been taken already, and is not taken again", file=done.file)
    )
    if done.left_because:
        print_message(done.left_because)
