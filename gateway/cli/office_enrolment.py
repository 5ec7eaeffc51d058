"""Commands with which shops come into a chain, and leave it."""

import re
import sys
from typing import TYPE_CHECKING, Any

import click
import segno

from firmware_tools.command_language import localize
from firmware_tools.language import count_message, message
from gateway.cli.command import CommandContext, confirm_end
from gateway.cli.office_folder import with_office
from gateway.cli.output import print_line, print_message

if TYPE_CHECKING:
    from gateway.office.office import Office


def _check_name(_: click.Context, __: click.Parameter, value: Any) -> Any:
    from gateway.fleet_settings import SHOP_NAME

    for name in value if isinstance(value, tuple) else (value,):
        if not re.fullmatch(SHOP_NAME, name):
            raise click.BadParameter(localize(message("{name!r} must have 1 to 64 letters, digits, - or _", name=name)))
    return value


@click.command()
@click.argument("shop", callback=_check_name)
@click.option("--title", help="What people call the shop.")
@click.option(
    "--group", "groups", multiple=True, callback=_check_name, help="A group of it; may be given several times."
)
@click.option(
    "--expires",
    "valid_days",
    type=click.IntRange(1, 365),
    default=7,
    show_default=True,
    help="For how many days the join code is good.",
)
@click.option("--again", is_flag=True, help="For a shop that is enrolled: the gateway that it has is locked out.")
@with_office
async def enrol(
    context: CommandContext,
    office: "Office",
    shop: str,
    title: str | None,
    groups: tuple[str, ...],
    valid_days: int,
    again: bool,
) -> None:
    """Enrol a shop, and print the code with which its gateway joins, once.

    SHOP is its name on the servers: letters, digits, - and _.
    """
    from gateway.office.enrolment import Enrolment

    code = await Enrolment(office).enrol(shop, title=title, groups=groups or None, valid_days=valid_days, again=again)
    context.emit({"shop": shop, "code": str(code), "valid_days": valid_days}, lambda made: _show_code(made))


def _show_code(made: dict[str, Any]) -> None:
    print_line(made["code"])
    print_message(
        count_message(
            "It is good once, for {count} day. In the shop: sunmi-gateway fleet join CODE. Or as a line of "
            'sunmi-gateway.toml on the boot partition: join_code = "CODE"',
            "It is good once, for {count} days. In the shop: sunmi-gateway fleet join CODE. Or as a line of "
            'sunmi-gateway.toml on the boot partition: join_code = "CODE"',
            made["valid_days"],
        )
    )
    if sys.stdout.isatty():
        segno.make(made["code"], error="m", micro=False).terminal(sys.stdout, compact=True)


@click.command()
@click.argument("shop", callback=_check_name)
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_office
async def retire(context: CommandContext, office: "Office", shop: str, yes: bool) -> None:
    """End a shop: its gateway is disconnected at once, and cannot connect any more. What it sent stays."""
    from gateway.office.enrolment import Enrolment

    enrolment = Enrolment(office)
    await enrolment.check(shop)
    warning = message("{shop} is disconnected for good, and what is wanted of it is forgotten.", shop=shop)
    await confirm_end(context, warning, is_given=yes)
    await enrolment.retire(shop)
    context.emit({"shop": shop, "retired": True}, lambda _: print_line(message("{shop}: retired", shop=shop)))
