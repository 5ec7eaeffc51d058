"""Commands of a shop's gateway for its chain."""

from typing import Any

import click

from firmware_tools.command_language import localize
from firmware_tools.language import message
from gateway.cli.client import connect_api
from gateway.cli.command import CommandContext, fail, run_command
from gateway.cli.output import print_line, print_members
from gateway.storage.state_directory import JOIN_CODE_FILE, MEMBERSHIP_FILE, refuse_root

_RESTART = message("Restart the gateway, so that it counts: sudo systemctl restart sunmi-gateway")
_NOT_YET = message("the gateway that runs does not know the chain yet: sudo systemctl restart sunmi-gateway")
_NOT_RUNNING = message("the gateway does not run: sudo systemctl start sunmi-gateway")


@click.group()
def fleet() -> None:
    """The chain that this gateway belongs to: join, leave, status."""


@fleet.command()
@click.argument("code")
@click.pass_obj
def join(context: CommandContext, code: str) -> None:
    """Join a chain with the CODE that its head office has made for this shop.

    It makes the shop's key here, and stores what it gets in the state directory. If the connection breaks, run it
    again.
    """

    async def work() -> None:
        from gateway.fleet.join import forget_key, join_chain
        from gateway.fleet.join_code import JoinCode
        from gateway.membership import save_membership

        try:
            parsed = JoinCode.parse(code)
        except ValueError as exc:
            raise click.UsageError(localize(message("CODE: {reason}", reason=exc))) from exc
        settings = context.settings()
        directory = settings.state_directory
        if directory.exists():
            refuse_root(directory)
        if settings.fleet.servers and not (directory / MEMBERSHIP_FILE).exists():
            fail(
                message(
                    "the settings file names the head office's servers itself: remove servers from [fleet] there, then "
                    "join"
                )
            )
        if settings.fleet.shop not in ("", parsed.shop):
            fail(
                message(
                    "this gateway is {shop} of its chain, and the code is for {other}, so nothing was done: take the "
                    "code of {shop}, or run `sunmi-gateway fleet leave` first",
                    shop=settings.fleet.shop,
                    other=parsed.shop,
                )
            )
        membership = await join_chain(parsed, directory)
        save_membership(directory, membership)
        forget_key(parsed, directory)
        (directory / JOIN_CODE_FILE).unlink(missing_ok=True)  # one from the boot partition that did not work
        document = {"shop": membership.shop, "servers": membership.servers}
        context.emit(document, lambda _: _show_joined(membership.shop))

    run_command(context, work())


def _show_joined(shop: str) -> None:
    print_line(message("This gateway belongs to its chain now, as {shop}.", shop=shop))
    print_line(_RESTART)


@fleet.command()
@click.pass_obj
def leave(context: CommandContext) -> None:
    """Forget the chain. The head office ends the shop itself: sunmi-gateway office retire."""

    async def work() -> None:
        from gateway.membership import delete_membership

        directory = context.settings().state_directory
        if not (directory / MEMBERSHIP_FILE).exists():
            fail(message("this gateway has joined no chain with `sunmi-gateway fleet join`"))
        delete_membership(directory)
        context.emit({"left": True}, _show_left)

    run_command(context, work())


def _show_left(_: dict[str, Any]) -> None:
    print_line(message("This gateway belongs to no chain any more."))
    print_line(_RESTART)


@fleet.command()
@click.pass_obj
def status(context: CommandContext) -> None:
    """Show the chain of this gateway, and whether it is connected."""

    async def work() -> None:
        settings = context.settings()
        document: dict[str, Any] = {
            "shop": settings.fleet.shop or None,
            "servers": settings.fleet.servers,
            "link": None,
            "reason": None,
        }
        if settings.fleet.servers:
            async with connect_api(settings) as api:
                report = await api.get("status") if api.running else {"services": [], "fleet": None}
            for one in report["services"]:
                if one["name"] == "head office link":
                    is_failing = one["state"] == "failing"
                    document |= {"link": one["state"], "reason": one["last_failure"] if is_failing else None}
            document |= report["fleet"] or {}
            if document["link"] is None:
                document["reason"] = localize(_NOT_YET if api.running else _NOT_RUNNING)
        context.emit(document, _show_status)

    run_command(context, work())


def _show_status(document: dict[str, Any]) -> None:
    if not document["servers"]:
        print_line(
            message("This gateway belongs to no chain. With a code of a head office: sunmi-gateway fleet join CODE")
        )
        return
    print_members(document | {"servers": ", ".join(document["servers"])})
