"""Commands that back up settings and state into one file, and restore them."""

from pathlib import Path

import click

from firmware_tools.language import count_message, message
from gateway.backup.create import create_backup
from gateway.backup.restore import restore_backup
from gateway.cli.command import CommandContext, run_command
from gateway.cli.output import print_members, print_message
from gateway.settings import find_settings_file, find_settings_file_to_write


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def backup(context: CommandContext, file: Path) -> None:
    """Back up settings and state into a new file (.tar.gz), also while the gateway runs.

    The file holds every secret: the account's key, tokens, certificates with their keys. Keep it as safe as those.
    """

    async def work() -> None:
        path = find_settings_file(context.config)
        members = create_backup(context.settings(), path, file)
        context.emit({name: value for name, value in members.items() if context.json or name != "files"}, print_members)
        print_message(message("{file} holds secrets: keep it where only you can read it.", file=file))

    run_command(context, work())


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Move aside settings and state that are already there.")
@click.pass_obj
def restore(context: CommandContext, file: Path, replace: bool) -> None:
    """Restore settings and state from a backup, while no gateway runs.

    Calls that waited for the cloud when the backup was made are held back until `outbox release`.
    """

    async def work() -> None:
        done = await restore_backup(file, find_settings_file_to_write(context.config), replace=replace)
        context.emit(done, print_members)
        for key, path in done["left_out"].items():
            print_message(
                message(
                    "{key}: {path} was not written: only certificates, keys, fonts and secrets beside the "
                    "settings are; it is sunmi-gateway/files/{key} inside",
                    key=key,
                    path=path,
                )
            )
        if done["changed_settings"]:
            print_message(
                message(
                    "the settings that were changed in the console do not count, and are set aside: {reason}",
                    reason=done["changed_settings"],
                )
            )
        if done["held"]:
            print_message(
                count_message(
                    "{count} call for the cloud is held back, since a newer one may have been sent: look at it "
                    "(sunmi-gateway outbox list --state waiting), then sunmi-gateway outbox release",
                    "{count} calls for the cloud are held back, since newer ones may have been sent: look at them "
                    "(sunmi-gateway outbox list --state waiting), then sunmi-gateway outbox release",
                    count=done["held"],
                )
            )
        if done["labels"]:
            print_message(
                count_message(
                    "{count} shelf label is drawn again, and its picture is held back as well, since the products may "
                    "be older than the shelf: import the current list of products, then sunmi-gateway outbox release",
                    "{count} shelf labels are drawn again, and their pictures are held back as well, since the "
                    "products may be older than the shelf: import the current list of products, then sunmi-gateway "
                    "outbox release",
                    count=done["labels"],
                )
            )

    run_command(context, work())
