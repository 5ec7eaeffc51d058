"""What the commands of the head office share: its folder, and the connection to its servers."""

import functools
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import click

from gateway.cli.chain_library import require_chain_library
from gateway.cli.command import CommandContext, run_command

if TYPE_CHECKING:
    from gateway.office.office import Office

P = ParamSpec("P")


def with_office(
    command: Callable[Concatenate[CommandContext, "Office", P], Coroutine[Any, Any, None]],
) -> Callable[..., None]:
    """Turn a coroutine that takes the context and a connected head office into a function for click.

    It gets the option `--folder`.
    """

    @click.option(
        "--folder",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="SUNMI_OFFICE_FOLDER",
        default=".",
        help="The head office's folder, instead of $SUNMI_OFFICE_FOLDER or the present one.",
    )
    @functools.wraps(command)
    @click.pass_context
    def run(click_context: click.Context, /, *args: P.args, **kwargs: P.kwargs) -> None:
        context: CommandContext = click_context.obj
        folder = Path(str(kwargs.pop("folder")))

        async def work() -> None:
            require_chain_library()
            from gateway.office.chain_folder import ChainFolder
            from gateway.office.office import Office

            async with Office.connect(ChainFolder.open(folder)) as office:
                await command(context, office, *args, **kwargs)

        run_command(context, work())

    return run
