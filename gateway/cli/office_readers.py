"""Commands of a head office for a chain's own systems: what the messages are, and letting a system read them."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from firmware_tools.language import describe_error, message
from gateway.cli.command import CommandContext, fail
from gateway.cli.encoding import print_json
from gateway.cli.office_folder import with_office
from gateway.cli.output import print_line
from gateway.storage.private_file import write_private

if TYPE_CHECKING:
    from gateway.office.office import Office


@click.command()
def asyncapi() -> None:
    """Print the AsyncAPI document of subjects and messages, for a chain's own systems."""
    from gateway.api.asyncapi import build_asyncapi_document

    print_json(build_asyncapi_document())


@click.command()
@click.argument("name")
@click.argument("output", type=click.Path(path_type=Path, file_okay=False))
@click.option("--mqtt", is_flag=True, help="For a system that reads by MQTT.")
@with_office
async def reader(context: CommandContext, office: "Office", name: str, output: Path, mqtt: bool) -> None:
    """Let another system NAME read what shops send; write its key and token to the folder OUTPUT."""
    from gateway.office.readers import add_reader

    made = await add_reader(office, name, mqtt=mqtt)
    files = {}
    for file, content in made.items():
        files[file] = str(output / file)
        try:
            write_private(output / file, content)
        except OSError as exc:
            fail(message("{path}: cannot be written: {reason}", path=output / file, reason=describe_error(exc)))
    document = {"name": name, "servers": list(office.folder.plan.servers), "files": files}
    done = message("{name} can read now, with the files in {path}", name=name, path=output)
    context.emit(document, lambda _: print_line(done))
