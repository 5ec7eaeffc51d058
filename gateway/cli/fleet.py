"""Commands of a shop's gateway for its chain."""

from typing import Any

import click

from firmware_tools.command_language import localize
from firmware_tools.language import message
from gateway.cli.chain_library import require_chain_library
from gateway.cli.client import connect_api
from gateway.cli.command import CommandContext, confirm_end, fail, run_command
from gateway.cli.output import localize_reported, print_line, print_members
from gateway.membership import JOIN_SERVICE, LINK_SERVICE
from gateway.storage.state_directory import JOIN_CODE_FILE, MEMBERSHIP_FILE, StateDirectory, refuse_root

_RESTART = message("Restart the gateway, so that it counts: sudo systemctl restart sunmi-gateway")
_NOT_YET = message("the gateway that runs does not know the chain yet: sudo systemctl restart sunmi-gateway")
_NOT_RUNNING = message("the gateway does not run: sudo systemctl start sunmi-gateway")


@click.group()
def fleet() -> None:
    """The chain that this gateway belongs to: join, leave, status."""


@fleet.command()
@click.argument("code", nargs=-1, required=True, metavar="CODE")
@click.pass_obj
def join(context: CommandContext, code: tuple[str, ...]) -> None:
    """Join a chain with the CODE that its head office has made for this shop.

    It makes the shop's key here, and stores what it gets in the state directory. If the connection breaks, run it
    again.
    """

    async def work() -> None:
        require_chain_library()  # before the code is used up
        from gateway.fleet.join import JoinRefused, finish_join, is_used, join_chain
        from gateway.fleet.join_code import JoinCode
        from gateway.membership import save_membership

        try:
            parsed = JoinCode.parse(" ".join(code))
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
        if settings.fleet.servers and is_used(parsed, directory):
            finish_join(parsed, directory)  # a crash may have come before that
            document = {"shop": parsed.shop, "servers": settings.fleet.servers}
            context.emit(document, lambda _: _show_joined_before(parsed.shop))
            return
        try:
            membership = await join_chain(parsed, directory)
        except JoinRefused as exc:
            if not settings.fleet.servers:
                raise
            fail(
                message(
                    "this gateway is {shop} of its chain already, and stays so: `sunmi-gateway fleet status` says "
                    "whether it is connected. The code was not taken: {reason}",
                    shop=parsed.shop,
                    reason=exc,
                )
            )
        save_membership(directory, membership)
        finish_join(parsed, directory)
        document = {"shop": membership.shop, "servers": membership.servers}
        context.emit(document, lambda _: _show_joined(membership.shop, people=settings.fleet.people))

    run_command(context, work())


def _show_joined(shop: str, *, people: bool) -> None:
    print_line(message("This gateway belongs to its chain now, as {shop}.", shop=shop))
    if people:  # it may have been set for another chain
        print_line(message("The head office gets events about people, too: [fleet] people in the settings says so."))
    print_line(_RESTART)


def _show_joined_before(shop: str) -> None:
    print_line(
        message(
            "This gateway is {shop} of its chain already, by this code: there is nothing to do. `sunmi-gateway fleet "
            "status` says whether it is connected.",
            shop=shop,
        )
    )


@fleet.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def leave(context: CommandContext, yes: bool) -> None:
    """Forget the chain. The head office ends the shop itself: sunmi-gateway office retire."""

    async def work() -> None:
        from gateway.membership import delete_membership

        settings = context.settings()
        directory = settings.state_directory
        if not (directory / MEMBERSHIP_FILE).exists():
            fail(message("this gateway has joined no chain with `sunmi-gateway fleet join`"))
        warning = message(
            "This gateway forgets its chain, in which it is {shop}: it needs a new join code to come back.",
            shop=settings.fleet.shop,
        )
        await confirm_end(context, warning, is_given=yes)
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
        directory = settings.state_directory
        document: dict[str, Any] = {
            "shop": settings.fleet.shop or None,
            "servers": settings.fleet.servers,
            "link": None,
            "reason": None,
            "pending_join": None,
        }
        has_code = (directory / JOIN_CODE_FILE).exists()
        if settings.fleet.servers or has_code:
            report: dict[str, Any] = {"services": [], "fleet": None}
            if is_running := StateDirectory.is_held(directory):
                async with connect_api(settings) as api:
                    report = await api.get("status")
            services = {one["name"]: one for one in report["services"]}
            unknown = localize(_NOT_YET if is_running else _NOT_RUNNING)
            if settings.fleet.servers:
                link = services.get(LINK_SERVICE)
                document |= {"link": link and link["state"], "reason": _find_reason(link, None, unknown)}
            if has_code:
                trying = localize(message("it is being tried"))
                document["pending_join"] = _find_reason(services.get(JOIN_SERVICE), trying, unknown)
            document |= report["fleet"] or {}
        context.emit(document, _show_status)

    run_command(context, work())


def _find_reason(service: dict[str, Any] | None, works: str | None, unknown: str) -> str | None:
    """Return why a service fails: `works` if it does not, and `unknown` if there is none."""
    if service is None:
        return unknown
    return service["last_failure"] if service["state"] == "failing" else works


def _show_status(document: dict[str, Any]) -> None:
    if document["servers"]:
        shown = {name: localize_reported(document[name] or "") for name in ("reason", "pending_join")}
        print_members(document | shown | {"servers": ", ".join(document["servers"])})
    elif document["pending_join"]:
        reason = document["pending_join"]
        print_line(message("This gateway has a join code, and has not joined its chain yet: {reason}", reason=reason))
    else:
        print_line(
            message("This gateway belongs to no chain. With a code of a head office: sunmi-gateway fleet join CODE")
        )
