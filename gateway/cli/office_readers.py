"""Commands of a head office for a chain's own systems: what the messages are, and letting a system read them."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from firmware_tools.command_language import localize
from firmware_tools.language import describe_error, message
from gateway.cli.command import CommandContext, confirm_end, fail
from gateway.cli.encoding import print_json
from gateway.cli.office_folder import with_office
from gateway.cli.output import print_line, print_table
from gateway.storage.private_file import write_private

if TYPE_CHECKING:
    from gateway.office.office import Office
    from gateway.office.readers import Reader

_COLUMNS: Final = {
    message("NAME"): "name",
    message("READS BY"): "reads_by",
    message("STATE"): "state",
    message("ADDED"): "added_at",
    message("CONNECTED SINCE"): "connected_since",
    message("WAITING"): "waiting",
}


@click.command()
@click.pass_obj
def asyncapi(context: CommandContext) -> None:
    """Print the AsyncAPI document of subjects and messages, for a chain's own systems."""
    from gateway.api.asyncapi import build_asyncapi_document

    context.emit(build_asyncapi_document(), print_json)


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

    plan = office.folder.plan
    servers = [*plan.mqtt_addresses] if mqtt else [*plan.servers]
    if not servers:
        fail(
            message(
                "the servers do not listen for MQTT: put mqtt_port = 8883 into {path}, run `sunmi-gateway office "
                "init`, copy server.conf to each server and start it again",
                path=office.folder.path / "office.toml",
            )
        )
    _check_folder(output)
    made = await add_reader(office, name, mqtt=mqtt)
    files = {}
    for file, content in made.items():
        files[file] = str(output / file)
        try:
            write_private(output / file, content)
        except OSError as exc:
            fail(
                message(
                    "{path}: cannot be written: {reason}. Nobody has the key of {name} now: `sunmi-gateway office "
                    "readers revoke {name}`, then add it again",
                    path=output / file,
                    reason=describe_error(exc),
                    name=name,
                )
            )
    document = {"name": name, "servers": servers, "files": files}
    done = message(
        "{name} can read now at {servers}, with the files in {path}",
        name=name,
        servers=", ".join(servers),
        path=output,
    )
    context.emit(document, lambda _: print_line(done))


def _check_folder(output: Path) -> None:
    """Fail if nothing can be written to a folder, before there is a reader whose key would be lost."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as exc:
        fail(message("{path}: cannot be written: {reason}", path=output, reason=describe_error(exc)))


@readers.command("list")
@with_office
async def list_all(context: CommandContext, office: "Office") -> None:
    """List who reads, since when each is connected, and how many events it has not read yet."""
    from gateway.office.natural_order import natural_key
    from gateway.office.readers import list_readers

    listed = sorted(await list_readers(office), key=lambda one: natural_key(one.name))
    found = [one.describe() for one in listed]
    rows = [{**one.describe(), "reads_by": "MQTT" if one.mqtt else "NATS", "state": _name_state(one)} for one in listed]
    nothing = message("nobody reads: `sunmi-gateway office readers add NAME OUTPUT` lets a system read")
    context.emit({"readers": found}, lambda _: print_table(rows, _COLUMNS, empty=nothing))


def _name_state(reader: "Reader") -> str:
    if reader.revoked:
        return localize(message("revoked"))
    if reader.is_cut_short:
        return localize(message("gets no events: revoke it"))
    return localize(message("connected")) if reader.connected_since else ""


@readers.command("revoke")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_office
async def revoke(context: CommandContext, office: "Office", name: str, yes: bool) -> None:
    """End a reader: it is disconnected at once, and cannot connect again. Its place in the stream is forgotten."""
    from gateway.office.readers import find_reader, revoke_reader

    await find_reader(office, name)
    await confirm_end(
        context, message("{name} is disconnected, and its place in the stream is forgotten.", name=name), is_given=yes
    )
    await revoke_reader(office, name)
    done = message("{name}: revoked", name=name)
    context.emit({"name": name, "revoked": True}, lambda _: print_line(done))
