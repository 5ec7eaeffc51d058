"""The command that takes settings from the boot partition; the service's unit runs it as root before each start."""

from pathlib import Path

import click

from firmware_tools.language import message
from gateway.boot_settings import take_boot_settings
from gateway.cli.command import CommandContext, run_command
from gateway.cli.output import print_message
from gateway.runtime.systemd import find_runtime_directory
from gateway.settings import find_settings_file_to_write


@click.command()
@click.argument("folders", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.pass_obj
def take_settings(context: CommandContext, folders: tuple[Path, ...]) -> None:
    """Take sunmi-gateway.toml from the first of these folders as the settings file, and remove it there.

    It is checked whole before. What happened is in sunmi-gateway.log.txt beside it.
    """

    async def work() -> None:
        file = find_settings_file_to_write(context.config)
        done = take_boot_settings(folders, file, find_runtime_directory())
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
