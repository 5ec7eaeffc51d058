"""The command that shows the vendor's docking demonstration step by step."""

import asyncio
from pathlib import Path
from typing import Any, Final

import click

from firmware_tools.language import message
from gateway.cli.client import ApiClient
from gateway.cli.command import CommandContext, fail, with_api
from gateway.cli.interrupt import stop_on_interrupt
from gateway.cli.output import print_line, print_message
from gateway.cli.page_file import write_page

_PATH: Final = "demonstration"
_POLL_INTERVAL_S: Final = 0.5
_MARKS: Final = {"done": "✓", "warning": "!", "failed": "✗", "pending": "-"}


@click.command()
@click.argument("sn", required=False)
@click.option("--dry-run", is_flag=True, help="Only say what would be done, and with which camera.")
@click.option("--resume", is_flag=True, help="Go on with the last demonstration: only steps that are not done.")
@click.option(
    "--record", type=click.Path(path_type=Path, dir_okay=False), help="Write the record there, as a page for A4."
)
@with_api
async def demonstrate(
    context: CommandContext, api: ApiClient, sn: str | None, dry_run: bool, resume: bool, record: Path | None
) -> None:
    """Show the vendor's docking demonstration with one camera, and tick off each step with evidence.

    SN can be left out where only one camera is managed, or only one reports faces. Ctrl-C stops it; what was ticked
    off stays.
    """
    wanted = {"sn": sn, "resume": resume}
    if dry_run:
        context.emit(await api.post(_PATH, {**wanted, "dry_run": True}), _print_dry_run)
        return
    document: dict[str, Any] = await api.post(_PATH, wanted)
    stopped = message("stopped; what was ticked off stays. To go on: `sunmi-gateway shop demonstrate --resume`")
    async with stop_on_interrupt(api, _PATH, stopped):
        document = await _follow(context, api, document)
    if context.json:
        context.emit(document, print)
    if record is not None:
        await write_page(context, api, _PATH, record)
    missing = [step for step in document["steps"] if step["state"] not in ("done", "warning")]
    if missing:
        fail(
            message(
                "not ticked off: {count} of {all} steps. Do what is said above, then `sunmi-gateway shop demonstrate "
                "--resume`",
                count=len(missing),
                all=len(document["steps"]),
            )
        )


async def _follow(context: CommandContext, api: ApiClient, document: dict[str, Any]) -> dict[str, Any]:
    """Print each step as it is ticked off, and return the demonstration when it has ended."""
    printed: set[str] = set()
    while True:
        is_running = document["state"] == "running"
        for step in document["steps"]:
            key = f"{step['code']} {step['state']}"
            is_shown = step["state"] in ("done", "warning", "failed", "waiting") or (step["detail"] and not is_running)
            if is_shown and key not in printed:
                printed.add(key)
                _print_step(context, step)
        if not is_running:
            return document
        await asyncio.sleep(_POLL_INTERVAL_S)
        document = await api.get(_PATH)


def _print_step(context: CommandContext, step: dict[str, Any]) -> None:
    """Print a step: for people as the result, beside JSON as progress."""
    write = print_message if context.json else print_line
    if step["state"] == "waiting":
        print_message(f"… {step['chapter']} {step['title']}: {step['detail']}")
        return
    write(f"{_MARKS[step['state']]} {step['chapter']} {step['title']}: {step['detail']}")
    for one in step["evidence"]:
        write(f"    {one['label']}: {one['value']}")
    if step["advice"]:
        write(f"    → {step['advice']}")


def _print_dry_run(document: dict[str, Any]) -> None:
    print_line(message("with the camera {sn}:", sn=document["sn"]))
    for step in document["steps"]:
        print_line(f"  {step['chapter']:<6} {step['title']}: {step['purpose']}")
