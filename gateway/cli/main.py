"""The command line: its groups, the options that every command has, and its exit status."""

import sys
from collections.abc import Sequence

import click

from gateway import __version__
from gateway.cli.authority import authority
from gateway.cli.backup import backup, restore
from gateway.cli.cameras import cameras, discover
from gateway.cli.cloud import cloud
from gateway.cli.demo import demo
from gateway.cli.doctor import doctor
from gateway.cli.events import events
from gateway.cli.flow import flow
from gateway.cli.init import init
from gateway.cli.outbox import outbox
from gateway.cli.reference import catalogue, sign
from gateway.cli.run import run
from gateway.cli.session import Session
from gateway.cli.simulate import simulate
from gateway.cli.support import support_bundle
from gateway.cli.tokens import token
from gateway.cli.webhooks import webhooks

_ANYWHERE = ("--json", "--no-input")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sunmi-gateway")
@click.option("--config", metavar="FILE", help="The settings file, instead of $SUNMI_GATEWAY_CONFIG or the usual ones.")
@click.option("--json", is_flag=True, help="Print one JSON document and nothing else. May stand after any command.")
@click.option("--no-input", is_flag=True, help="Never ask; fail naming the question. May stand after any command.")
@click.pass_context
def cli(context: click.Context, config: str | None, json: bool, no_input: bool) -> None:
    """The edge gateway of a SUNMI store.

    Exit status: 0 done, 1 failed, 2 wrong usage.
    """
    context.obj = Session(config, json, no_input)


for _command in (
    init,
    run,
    demo,
    discover,
    cameras,
    cloud,
    flow,
    outbox,
    events,
    webhooks,
    token,
    authority,
    sign,
    simulate,
    catalogue,
    doctor,
    backup,
    restore,
    support_bundle,
):
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    end = given.index("--") if "--" in given else len(given)
    words = [word for word in given[:end] if word not in _ANYWHERE]
    flags = [flag for flag in _ANYWHERE if flag in given[:end]]
    cli.main([*flags, *words, *given[end:]], prog_name="sunmi-gateway")
