"""Commands of a chain's head office."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from firmware_tools.language import message
from gateway.cli.chain_library import require_chain_library
from gateway.cli.command import CommandContext, fail, run_command
from gateway.cli.office_audit import audit
from gateway.cli.office_desired import push, set_settings, unset
from gateway.cli.office_enrolment import enrol, retire
from gateway.cli.office_events import events
from gateway.cli.office_readers import asyncapi, readers
from gateway.cli.office_rollouts import rollouts
from gateway.cli.office_run import run
from gateway.cli.office_serve import serve
from gateway.cli.office_shops import groups, shops, show
from gateway.cli.office_update import update
from gateway.cli.output import print_line, print_message

if TYPE_CHECKING:
    from gateway.office.chain_folder import ChainFolder
    from gateway.office.revoked_members import RevokedMembers

MAX_NAMED: Final = 20
"""How many shops or readers a message names."""


@click.group()
def office() -> None:
    """The head office of a chain of shops."""


for _command in (
    asyncapi, audit, enrol, events, groups, push, readers, retire, rollouts, run, serve, set_settings, shops, show,
    unset, update,
):  # fmt: skip
    office.add_command(_command)


@office.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--servers", metavar="HOST:PORT[,…]", help="Where shops reach the servers: one, or three.")
@click.option("--name", help="The name of the chain: letters, digits, - and _.  [default: chain]")
@click.option(
    "--cluster-ports", metavar="PORT[,…]", help="Where three servers reach each other.  [default: 6222 and after it]"
)
@click.option(
    "--join",
    metavar="HOST:PORT",
    help="Where shops will reach `office serve`.  [default: port 7443 at the first server]",
)
@click.option(
    "--storage-gb",
    type=click.IntRange(1, 100_000),
    metavar="NUMBER",
    help="How much each server stores at most; its disk has half as much again.  [default: 20]",
)
@click.option(
    "--mqtt-port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="Where servers listen for readers by MQTT, as 8883.  [default: nowhere]",
)
@click.pass_obj
def init(
    context: CommandContext,
    folder: Path,
    servers: str | None,
    name: str | None,
    cluster_ports: str | None,
    join: str | None,
    storage_gb: int | None,
    mqtt_port: int | None,
) -> None:
    """Make a chain's FOLDER with its keys and servers; when these run, make their streams.

    The first time it writes the folder, and says how to start the servers. After that, run it again: it makes what the
    servers lack, and changes nothing that is right. Keys are never overwritten.
    """

    async def work() -> None:
        require_chain_library()
        from gateway.office.chain_folder import SERVERS, ChainFolder
        from gateway.office.office import Office
        from gateway.office.revoked_members import list_revoked_members
        from gateway.office.set_up import set_up
        from gateway.office.unlisted_shops import list_again

        values: dict[str, Any] = {
            "servers": _split(servers),
            "name": name,
            "cluster_ports": _split(cluster_ports),
            "join": join,
            "storage_gb": storage_gb,
            "mqtt_port": mqtt_port,
        }
        given = {key: value for key, value in values.items() if value}
        if not ChainFolder.is_chain(folder):
            made = _create(folder, given)
            context.emit(_describe(made), lambda _: _show_start(made))
            return
        chain = ChainFolder.open(folder)
        different = [key for key, value in given.items() if _differs(chain, key, value)]
        if different:
            fail(
                message(
                    "{path} was made with other values of {names}, and is left as it is: leave these options out, or "
                    "name a new folder",
                    path=folder,
                    names=", ".join(f"--{key.replace('_', '-')}" for key in different),
                )
            )
        is_changed = chain.write_servers()
        if is_changed and not context.json:
            print_message(
                message(
                    "server.conf has changed: copy it from {path} to each server, start the servers again one after "
                    "the other, and run this once more",
                    path=chain.path / SERVERS / "…",
                )
            )
        async with Office.connect(chain) as connected:
            touched = [*await set_up(connected)]
            revoked, listed = await list_revoked_members(connected), await list_again(connected)
        context.emit(
            _describe(chain)
            | {"streams": touched, "servers_changed": is_changed, "listed": listed, "revoked": revoked._asdict()},
            lambda _: _show_outcome(touched, listed, revoked, is_complete=not is_changed),
        )

    run_command(context, work())


def _create(folder: Path, given: dict[str, Any]) -> "ChainFolder":
    from gateway.office.chain_folder import ChainFolder
    from gateway.office.plan import make_plan

    if "servers" not in given:
        fail(
            message(
                "--servers is needed to make {path}: where shops reach the servers, such as --servers "
                "office.example:4222, or three of them with commas",
                path=folder,
            )
        )
    return ChainFolder.create(folder, make_plan(**given))


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _differs(chain: "ChainFolder", key: str, value: Any) -> bool:
    present = getattr(chain.plan, key)
    return bool([str(one) for one in present] != value if isinstance(value, list) else str(present) != str(value))


def _describe(chain: "ChainFolder") -> dict[str, Any]:
    servers = [
        {"name": place.name, "address": str(place.address), "folder": str(chain.server_folder(place.name))}
        for place in chain.plan.places
    ]
    return {"folder": str(chain.path), "servers": servers, "join": str(chain.plan.join_address)}


def _show_start(chain: "ChainFolder") -> None:
    from gateway.office.chain_folder import PLAN_FILE

    print_line(message("{path} was made. Keep it secret, and keep a copy: it is the chain.", path=chain.path))
    print_line("")
    print_line(message("1. Copy each of these folders to the machine of its server, and start the server in it:"))
    for place in chain.plan.places:
        print_line(f"   {place.address}   {chain.server_folder(place.name)}")
    print_line("   nats-server -c server.conf")
    if len(chain.plan.places) > 1:
        ports = ", ".join(f"{place.address.host}:{place.cluster_port}" for place in chain.plan.places)
        print_line(message("   The servers also reach each other at {ports}; nobody else has to.", ports=ports))
    print_line("")
    print_line(message("2. When they run, make their streams:"))
    print_line(f"   sunmi-gateway office init {chain.path}")
    print_line("")
    print_line(message("3. Serve the pages and the address at which shops join, and enrol a shop:"))
    print_line(f"   sunmi-gateway office serve --folder {chain.path}")
    print_line(f"   sunmi-gateway office enrol SHOP --folder {chain.path}")
    print_line(
        message(
            "   Shops join at {join}: if that is not the machine of `office serve`, change it in {path} first.",
            join=chain.plan.join_address,
            path=chain.path / PLAN_FILE,
        )
    )


def _show_outcome(touched: list[str], listed: list[str], revoked: "RevokedMembers", *, is_complete: bool) -> None:
    if touched:
        print_line(message("made or changed on the servers: {names}", names=", ".join(touched)))
    elif is_complete:
        print_line(message("the servers have everything already"))
    if listed:
        print_line(
            message(
                "connected, and on no list, since the servers have lost it: {names}. They are listed again; give them "
                "their groups: `sunmi-gateway office groups add GROUP --shop SHOP`",
                names=_write_names(listed),
            )
        )
    if revoked.shops:
        print_message(
            message(
                "revoked, but on the list of shops, since the servers were restored from an older backup: {names}. "
                "Their gateways cannot connect: `sunmi-gateway office retire SHOP`, or `enrol SHOP --again`",
                names=_write_names(revoked.shops),
            )
        )
    if revoked.readers:
        print_message(
            message(
                "revoked, but on the list of readers, since the servers were restored from an older backup: {names}. "
                "They cannot connect: `sunmi-gateway office readers revoke NAME`",
                names=_write_names(revoked.readers),
            )
        )


def _write_names(names: Sequence[str]) -> str:
    return ", ".join(names[:MAX_NAMED]) + (", …" if len(names) > MAX_NAMED else "")
