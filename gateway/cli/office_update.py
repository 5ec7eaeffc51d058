"""The command of the head office that brings a version of the gateway to shops."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from firmware_tools.command_language import localize
from firmware_tools.language import message
from gateway.cli.command import CommandContext, fail
from gateway.cli.office_folder import with_office
from gateway.cli.office_targets import RolloutOptions, make_target, rollout_options, target_options, tell_shops

if TYPE_CHECKING:
    from gateway.office.office import Office


@click.command()
@click.argument("version")
@target_options
@rollout_options
@with_office
async def update(
    context: CommandContext, office: "Office", /, *, version: str, shops: Sequence[str], groups: Sequence[str],
    everyone: bool, **options: Any,
) -> None:  # fmt: skip
    """Have shops install VERSION from the chain's repository, which packaging/repository.sh makes.

    In each shop it proves itself before it serves; else the version before comes back. An older version is possible,
    too, if it knows the database.
    """
    from gateway.fleet.part_names import VERSION
    from gateway.updates.machine import VERSION_PATTERN

    target = make_target(shops, groups, everyone=everyone)
    if not re.fullmatch(VERSION_PATTERN, version):
        raise click.UsageError(localize(message("{version!r} cannot be a version of a package", version=version)))
    _check_repository(office.folder.path / "repository" / "public", version)
    await tell_shops(context, office, VERSION, {VERSION: version}, target, RolloutOptions(**options), title=version)


def _check_repository(folder: Path, version: str) -> None:
    """End the command if the chain's repository is here and lacks a version."""
    indices = [*folder.glob("dists/stable/main/binary-*/Packages")]
    try:
        found = {line for index in indices for line in index.read_text(encoding="utf-8").splitlines()}
    except (OSError, UnicodeDecodeError) as exc:
        fail(message("{file} cannot be read: {reason}", file=folder, reason=exc))
    known = sorted(line.removeprefix("Version: ") for line in found if line.startswith("Version: "))
    if indices and version not in known:
        fail(
            message(
                "version {version} is not in {folder}, which has {known}: add it with packaging/repository.sh",
                version=version,
                folder=folder,
                known=", ".join(known) or "-",
            )
        )
