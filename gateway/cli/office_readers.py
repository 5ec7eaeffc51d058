"""Commands of a head office for a chain's own systems: what the messages are, and letting a system read them."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from firmware_tools.language import describe_error, message
from gateway.cli.command import CommandContext, fail
from gateway.cli.encoding import print_json
from gateway.cli.office_folder import with_office
from gateway.cli.output import print_line, print_table
from gateway.storage.private_file import write_private

if TYPE_CHECKING:
    from gateway.office.office import Office

_COLUMNS: Final = {
    message("NAME"): "name",
    message("READS BY"): "reads_by",
    message("ADDED"): "added_at",
    message("CONNECTED SINCE"): "connected_since",
    message("WAITING"): "waiting",
}


@click.command()
def asyncapi() -> None:
    """Print the AsyncAPI document of subjects and messages, for a chain's own systems."""
    from gateway.api.asyncapi import build_asyncapi_document

    print_json(build_asyncapi_document())


@click.group()
def readers() -> None:
    """Other systems of the chain that read what shops send: add, list, revoke."""


@readers.command("add")
@click.argument("name")
@click.argument("output", type=click.Path(path_type=Path, file_okay=False))
@click.option("--mqtt", is_flag=True, help="For a system that reads by MQTT.")
@with_office
async def add(context: CommandContext, office: "Office", name: str, output: Path, mqtt: bool) -> None:
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


@readers.command("list")
@with_office
async def list_all(context: CommandContext, office: "Office") -> None:
    """List who reads, since when each is connected, and how many events it has not read yet."""
    from gateway.office.readers import list_readers

    found = [one.describe() for one in await list_readers(office)]
    rows = [{**one, "reads_by": "MQTT" if one["mqtt"] else "NATS"} for one in found]
    nothing = message("nobody reads: `sunmi-gateway office readers add NAME OUTPUT` lets a system read")
    context.emit({"readers": found}, lambda _: print_table(rows, _COLUMNS, empty=nothing))


@readers.command("revoke")
@click.argument("name")
@with_office
async def revoke(context: CommandContext, office: "Office", name: str) -> None:
    """End a reader: it is disconnected at once, and cannot connect again. Its place in the stream is forgotten."""
    from gateway.office.readers import revoke_reader

    await revoke_reader(office, name)
    done = message("{name}: revoked", name=name)
    context.emit({"name": name, "revoked": True}, lambda _: print_line(done))
