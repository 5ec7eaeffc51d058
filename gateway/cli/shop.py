"""Commands for a whole shop: its site plan and the run of it."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any, Final

import click

from firmware_tools.command_language import localize
from firmware_tools.language import Message, count_message, join, message
from gateway.cli.client import ApiClient, ApiError
from gateway.cli.command import CommandContext, fail, read_list, with_api
from gateway.cli.demonstration import demonstrate
from gateway.cli.interrupt import stop_on_interrupt
from gateway.cli.output import print_line, print_message, print_table
from gateway.cli.page_file import write_page

_PLAN_PATH: Final = "site-plan"
_POLL_INTERVAL_S: Final = 0.5
_MAX_SILENCE_S: Final = 10.0
"""After how long without a line a run says what is under way."""
_WORDS: Final[dict[str, Message]] = {
    str(word): word
    for word in (
        message("find"), message("wifi"), message("activate"), message("name"), message("settings"), message("cloud"),
        message("subscribe"), message("picture"), message("event"),
        message("pending"), message("running"), message("waiting"), message("done"), message("skipped"),
        message("warning"), message("failed"),
    )
}  # fmt: skip
"""What steps and their states are called."""
_COLUMNS: Final = {
    message("ROW"): "row",
    message("SN"): "sn",
    message("NAME"): "name",
    message("PLACE"): "place",
    message("ADDRESS"): "address",
    message("STATE"): "state",
    message("STEP"): "step",
    message("DETAIL"): "detail",
}
_SHEET_COLUMNS: Final = {
    message("ROW"): "row",
    message("SN"): "sn",
    message("NAME"): "name",
    message("PLACE"): "place",
    message("ADDRESS"): "address",
    message("FIRMWARE"): "firmware",
    message("CARD"): "needs_card",
    message("STATE"): "state",
}
_PLAN_ARGUMENT = click.argument("plan", type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True))


@click.group()
def shop() -> None:
    """A whole shop from one list: check, run, status, sheet, stop, forget; and its docking demonstration."""


shop.add_command(demonstrate)


@shop.command()
@_PLAN_ARGUMENT
@with_api
async def check(context: CommandContext, api: ApiClient, plan: Path) -> None:
    """Check a list as a whole: every fault by row and column. Nothing is sent to a camera."""
    document = await _send(context, api, "POST", f"{_PLAN_PATH}/check", plan)
    context.emit(document, _print_check)


@shop.command()
@_PLAN_ARGUMENT
@click.option("--dry-run", is_flag=True, help="Only say what would be done to which camera, and what would be erased.")
@click.option("--only", type=click.Choice(["failed"]), help="Only cameras that are not done.")
@click.option(
    "--yes", is_flag=True, help="Agree to what would be asked: lost face groups, and leaving the shop's network."
)
@with_api
async def run(context: CommandContext, api: ApiClient, plan: Path, dry_run: bool, only: str | None, yes: bool) -> None:
    """Set up all cameras of a list: Wi-Fi, activation, name, settings, cloud, events, picture.

    It can be repeated: a camera that is right already costs a look. Ctrl-C stops it; what was done stays. If the
    terminal is closed, a running gateway goes on.
    """
    checked = await _send(context, api, "POST", f"{_PLAN_PATH}/check", plan)
    _print_notes(checked)
    wanted: dict[str, Any] = {"only": only} if only else {}
    if dry_run:
        chosen = f"?only={only}" if only else ""
        context.emit(await _send(context, api, "POST", f"{_PLAN_PATH}/dry-run{chosen}", plan), _print_dry_run)
        return
    await _send(context, api, "PUT", _PLAN_PATH, plan)
    would = await api.post(f"{_PLAN_PATH}/run", {**wanted, "dry_run": True})
    erases = would["erases"]
    if erases:
        await _confirm(context, erases, yes)
        wanted["confirm_erase"] = erases
    if would["hotspots"] is not None and would["hotspots"]["interrupts_shop"]:
        wanted["confirm_offline"] = await _confirm_offline(context, would["hotspots"]["detail"], yes)
    stopped = message("stopped; what was done stays. To go on, run the plan again")
    async with stop_on_interrupt(api, f"{_PLAN_PATH}/run", stopped):
        document = await _follow(api, wanted)
    context.emit(document, _print_status)
    if document["state"] != "done":
        counts = document["counts"]
        fail(
            message(
                "cameras that are not done: {count} of {all}. What to do is above; then `sunmi-gateway shop run {plan} "
                "--only failed`",
                count=sum(counts.values()) - counts["done"],
                all=sum(counts.values()),
                plan=plan,
            )
        )


@shop.command()
@with_api
async def status(context: CommandContext, api: ApiClient) -> None:
    """Show the plan that the gateway has, and how far each camera is."""
    context.emit(await api.get(_PLAN_PATH), _print_status)


@shop.command()
@with_api
async def stop(context: CommandContext, api: ApiClient) -> None:
    """Stop the run; what was done stays."""
    context.emit(await api.call("DELETE", f"{_PLAN_PATH}/run"), _print_status)


@shop.command()
@with_api
async def forget(context: CommandContext, api: ApiClient) -> None:
    """Forget the plan and its secrets; cameras stay as they are."""
    await api.call("DELETE", _PLAN_PATH)
    context.emit({"forgotten": True}, lambda _: print_line(message("the plan is forgotten")))


@shop.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--verify", is_flag=True, help="Look again at everything that was set up, and say what has changed.")
@click.option("--pictures", is_flag=True, help="Look again, and take a new picture of each camera, too.")
@with_api
async def sheet(context: CommandContext, api: ApiClient, file: Path | None, verify: bool, pictures: bool) -> None:
    """Make the acceptance sheet: the cameras, what came of each step, pictures, and what is left to do.

    With a FILE, such as sheet.html, write it there as a page that prints on A4.
    """
    wanted = {"verify": verify, "pictures": pictures}
    path = f"{_PLAN_PATH}/sheet?{'&'.join(f'{name}={str(value).lower()}' for name, value in wanted.items())}"
    if file is None or context.json:
        context.emit(await api.get(path), _print_sheet)
    if file is not None:
        await write_page(context, api, path, file)
        if (verify or pictures) and not context.json:
            # The page says it, too, and nobody need open it where nothing has changed.
            _print_changes(await api.get(f"{_PLAN_PATH}/sheet?verify=true"))


async def _send(context: CommandContext, api: ApiClient, method: str, path: str, plan: Path) -> dict[str, Any]:
    """Send a list. Prints its faults as a table and exits with status 1 if it has any."""
    data = await read_list(plan)
    try:
        document: dict[str, Any] = await api.call(method, path, data)
    except ApiError as exc:
        faults = exc.document.get("errors")
        if context.json or not faults:
            raise
        for one in faults:
            place, reason = one["parameter"], one["reason"]
            # Of a row the reason says the line; the index in the list is for programs.
            print_line(reason if place.startswith(("cameras", "defaults", "list")) else f"{place}: {reason}")
        fail(
            count_message(
                "{plan}: {count} fault; nothing was sent to a camera",
                "{plan}: {count} faults; nothing was sent to a camera",
                len(faults),
                plan=plan,
            )
        )
    return document


async def _confirm(context: CommandContext, erases: int, given: bool) -> None:
    question = count_message(
        "{count} camera is activated, which deletes its face groups. Go on?",
        "{count} cameras are activated, which deletes their face groups. Go on?",
        erases,
    )
    if given:
        return
    if not context.can_prompt:
        fail(message("{loss}: give --yes if that is right", loss=_describe_loss(erases)))
    if not await context.confirm(question):
        fail(message("nothing was sent: {loss}", loss=_describe_loss(erases)))


def _describe_loss(erases: int) -> str:
    return count_message(
        "{count} camera would lose its face groups", "{count} cameras would lose their face groups", erases
    )


async def _confirm_offline(context: CommandContext, effect: str, given: bool) -> bool:
    """Tell whether this machine may leave the shop's network to join hotspots; else a person joins them."""
    if given or not context.can_prompt:
        return given
    return await context.confirm(message("{effect} Go on so? If not, you join the hotspots yourself", effect=effect))


async def _follow(api: ApiClient, wanted: dict[str, Any]) -> dict[str, Any]:
    """Start the run, tell how far it is, and return the plan when it has ended."""
    document: dict[str, Any] = await api.post(f"{_PLAN_PATH}/run", wanted)
    printed: set[tuple[str, str, str]] = set()
    clock = asyncio.get_running_loop()
    print_message(message("looking for the cameras on the network …"))
    silent_since = clock.time()
    while True:
        known = len(printed)
        for camera in document["cameras"]:
            _print_progress(camera, printed)
        if document["state"] != "running":
            return document
        if len(printed) > known:
            silent_since = clock.time()
        elif clock.time() - silent_since >= _MAX_SILENCE_S:
            print_message(describe_work(document))
            silent_since = clock.time()
        await asyncio.sleep(_POLL_INTERVAL_S)
        document = await api.get(_PLAN_PATH)


def describe_work(document: dict[str, Any]) -> str:
    """Say what is under way, so that nobody takes the silence for the end."""
    steps = Counter(
        step["name"] for camera in document["cameras"] for step in camera["steps"] if step["state"] == "running"
    )
    names = [message("{step} ({count})", step=_WORDS[name], count=count) for name, count in steps.items()]
    return message(
        "cameras that are done: {done} of {all}; under way: {steps}",
        done=document["counts"]["done"],
        all=len(document["cameras"]),
        steps=join(", ", names) if names else message("looking for cameras"),
    )


def _print_progress(camera: dict[str, Any], printed: set[tuple[str, str, str]]) -> None:
    label = camera["sn"] or camera["mac"]
    for step in camera["steps"]:
        name, state = localize(_WORDS[step["name"]]), localize(_WORDS[step["state"]])
        line = label, name, f"{state} {step['detail']}".strip()
        if step["state"] not in ("pending", "running") and line not in printed:
            printed.add(line)
            print_message(f"{label} {name:<10} {line[2]}")
            if step["advice"]:
                print_message(f"{label} {'':<10} → {step['advice']}")


def _print_check(document: dict[str, Any]) -> None:
    _print_notes(document)
    print_line(
        count_message(
            "{count} camera, no faults; {erases} would be activated, which deletes the face groups",
            "{count} cameras, no faults; {erases} would be activated, which deletes the face groups",
            len(document["cameras"]),
            erases=document["erases"],
        )
    )


def _print_notes(document: dict[str, Any]) -> None:
    for ignored in document["ignored"]:
        print_message(message("ignored: {what}", what=ignored))
    for note in document["notes"]:
        print_message(f"{note['camera']}: {localize(note['text'])}")


def _print_sheet(document: dict[str, Any]) -> None:
    rows = [
        {**camera, "state": localize(_WORDS[camera["state"]]), "needs_card": "!" if camera["needs_card"] else ""}
        for camera in document["cameras"]
    ]
    print_table(rows, _SHEET_COLUMNS)
    for group in document["firmware"]:
        if group["needs_card"]:
            print_line(
                count_message(
                    "{count} camera {model} with firmware {version} needs a card",
                    "{count} cameras {model} with firmware {version} need a card",
                    group["cameras"],
                    model=group["model"] or "",
                    version=group["version"],
                )
            )
    for camera in document["cameras"]:
        label = camera["sn"] or camera["mac"]
        for task in camera["to_do"]:
            print_message(f"{label}: {task}")
    _print_changes(document)


def _print_changes(document: dict[str, Any]) -> None:
    """Say what has changed since the run, if that was looked at."""
    for camera in document["cameras"]:
        label = camera["sn"] or camera["mac"]
        for change in camera["changes"] or ():
            step = localize(_WORDS.get(change["step"], change["step"]))
            print_message(f"{label} {step}: {change['detail']}")
    if document["verified"] and not any(camera["changes"] for camera in document["cameras"]):
        print_line(message("nothing has changed since the run"))


def _print_dry_run(document: dict[str, Any]) -> None:
    for camera in document["cameras"]:
        print_line(camera["sn"] or camera["mac"])
        for action in camera["actions"]:
            print_line(f"  {localize(_WORDS[action['step']]):<10} {action['text']}")
    print_line(_describe_loss(document["erases"]))
    if document["hotspots"] is not None:
        print_line(message("hotspots: {detail}", detail=document["hotspots"]["detail"]))


def _print_status(document: dict[str, Any]) -> None:
    rows = []
    for camera in document["cameras"]:
        step = next((one for one in camera["steps"] if one["state"] in ("failed", "waiting", "running")), None)
        details = [one for one in (step["detail"], step["advice"]) if one] if step else []
        words = {"state": localize(_WORDS[camera["state"]]), "step": localize(_WORDS[step["name"]]) if step else ""}
        rows.append({**camera, **words, "detail": " ".join(details)})
    print_table(rows, _COLUMNS)
    for camera in document["cameras"]:
        for step in camera["steps"]:
            if step["state"] == "warning":
                label = camera["sn"] or camera["mac"]
                name = localize(_WORDS[step["name"]])
                print_message(f"{label} {name}: {step['detail']} {step['advice']}".rstrip())
