"""Commands for the shop's shelf labels: what each shows, whether it does, and the templates that draw them."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import click

from firmware_tools.command_language import command_language, localize
from firmware_tools.language import count_message, describe_error, message
from gateway.cli.client import ApiClient, ApiError
from gateway.cli.command import CommandContext, fail, read_list, with_api
from gateway.cli.output import print_line, print_members, print_message, print_table
from gateway.errors import InvalidRequest
from gateway.labels.binding_list import read_bindings
from gateway.protocol.catalogue.cloud_labels import LED_COLOURS

_MAX_PAGE: Final = 500
_POLL_INTERVAL_S: Final = 0.5
_PROGRESS_INTERVAL_S: Final = 5.0
_OPEN: Final = ("waiting", "sent", "pushed", "retrying")
_STATES: Final = (*_OPEN, "shown", "failed", "vendor")
_COLUMNS: Final = {
    message("LABEL"): "esl",
    message("PRODUCT"): "product_id",
    message("NAME"): "product_name",
    message("PRICE"): "price",
    message("MODEL"): "model",
    message("STATE"): "state",
    message("SHOWN"): "shown_at",
    message("BATTERY"): "battery",
    message("REASON"): "problem",
}
_FAULT_COLUMNS: Final = {
    message("ROW"): "row",
    message("LABEL"): "code",
    message("REASON"): "reason",
}
_TEMPLATE_COLUMNS: Final = {
    message("NAME"): "name",
    message("TITLE"): "title",
    message("MODELS"): "models",
    message("INCLUDED"): "included",
    message("LABELS"): "labels",
}


@click.group()
def labels() -> None:
    """The shop's shelf labels: bind, leave, list, show, push, flash, verify, and their templates."""


def _path(code: str, action: str = "") -> str:
    return f"labels/{quote(code, safe='')}{action}"


@labels.command("list")
@click.argument("search", required=False, default="")
@click.option("--state", type=click.Choice(_STATES), help="Only labels in this state.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, _MAX_PAGE))
@click.option("--after", type=click.IntRange(0), help="Only labels after this one: `next` of the page before.")
@with_api
async def list_labels(context: CommandContext, api: ApiClient, /, search: str, **given: Any) -> None:
    """List labels, or those with SEARCH in code or id, or in number or name of their product."""
    query = {name: value for name, value in {"search": search, **given}.items() if value not in (None, "")}
    page = await api.get(f"labels?{urlencode(query)}")
    nothing = message("no label is like that; without a bound label there are none: sunmi-gateway labels bind")
    context.emit(page, lambda shown: print_table(map(_add_battery, shown["labels"]), _COLUMNS, empty=nothing))
    if page["next"]:
        print_message(message("there are more: --after {next}", next=page["next"]))


def _add_battery(label: dict[str, Any]) -> dict[str, Any]:
    battery = (label["reading"] or {}).get("battery")
    return {**label, "battery": None if battery is None else f"{battery} %"}


@labels.command()
@click.argument("code")
@with_api
async def show(context: CommandContext, api: ApiClient, code: str) -> None:
    """Show one label: what it is to show, whether it does, its battery and its signal."""
    context.emit(await api.get(_path(code)), print_members)


@labels.command()
@click.argument("code", required=False)
@click.argument("product", required=False)
@click.option(
    "--file", type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True),
    help="A list with the columns code and product, and perhaps template and model, instead of one label.",
)  # fmt: skip
@click.option(
    "--picture", type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True),
    help="A PNG or JPEG that the label shows, instead of a product.",
)  # fmt: skip
@click.option("--template", default="price", show_default=True, help="The template that draws it.")
@click.option("--model", help="The model of the label. Left out: as before, or as the cloud says it.")
@with_api
async def bind(
    context: CommandContext,
    api: ApiClient,
    *,
    code: str | None,
    product: str | None,
    file: Path | None,
    picture: Path | None,
    template: str,
    model: str | None,
) -> None:
    """Have the label with this CODE show a PRODUCT, or a picture, from now on."""
    if file is not None:
        if code is not None or picture is not None:
            raise click.UsageError(localize(message("--file goes without CODE, PRODUCT and --picture")))
        await _bind_all(context, api, file, template, model)
        return
    if code is None or (product is None) is (picture is None):
        raise click.UsageError(localize(message("give CODE and PRODUCT, or CODE and --picture, or --file")))
    if picture is not None:
        query = "" if model is None else f"?{urlencode({'model': model})}"
        shown = await api.call("PUT", _path(code, query), await read_list(picture))
        context.emit(shown, _print_bound)
        return
    label = await api.call("PUT", _path(code), {"product_id": product, "template": template, "model": model})
    context.emit(label, _print_bound)


def _print_bound(label: dict[str, Any]) -> None:
    print_line(message("{label}: {state}", label=label["esl"], state=label["state"]))
    if label["problem"]:
        print_message(label["problem"])


async def _bind_all(context: CommandContext, api: ApiClient, file: Path, template: str, model: str | None) -> None:
    """Bind the labels of a list. Each bad row is named, and the others are bound."""
    content = await read_list(file)
    try:
        bindings = await asyncio.to_thread(read_bindings, content, file.name)
    except InvalidRequest as exc:
        fail(exc.field_errors[0].reason)
    faults: list[dict[str, Any]] = []
    bound = 0
    for one in bindings:
        reasons = list(one.reasons)
        body = {"product_id": one.product_id, "template": one.template or template, "model": one.model or model}
        if not reasons:
            try:
                await api.call("PUT", _path(one.code), body)
                bound += 1
            except ApiError as exc:
                reasons.append(str(exc))
        faults += [{"row": one.row, "code": one.code, "reason": reason} for reason in reasons]
    context.emit({"bound": bound, "faults": faults}, _print_binding)
    if faults:
        fail(count_message("{count} row is bad, and left out", "{count} rows are bad, and left out", len(faults)))


def _print_binding(report: dict[str, Any]) -> None:
    if report["faults"]:
        print_table(report["faults"], _FAULT_COLUMNS)
    print_line(count_message("{count} label is bound", "{count} labels are bound", report["bound"]))


@labels.command()
@click.argument("code")
@with_api
async def leave(context: CommandContext, api: ApiClient, code: str) -> None:
    """Leave a label to the vendor's own templates: the gateway pushes nothing to it until it is bound again."""
    context.emit(await api.call("PUT", _path(code), {"drawn_by": "vendor"}), _print_bound)


@labels.command()
@click.argument("code")
@with_api
async def unbind(context: CommandContext, api: ApiClient, code: str) -> None:
    """Forget a label. What it shows stays on it."""
    await api.call("DELETE", _path(code))
    context.emit({"esl": code, "removed": True}, lambda _: print_line(message("{label}: forgotten", label=code)))


@labels.command()
@click.argument("code")
@with_api
async def push(context: CommandContext, api: ApiClient, code: str) -> None:
    """Push the picture of a label again, though it shows it already."""
    context.emit(await api.call("POST", _path(code, "/push")), _print_bound)


@labels.command()
@click.argument("code")
@click.option("--colour", default="green", show_default=True,
              type=click.Choice([one.meaning for one in LED_COLOURS]))  # fmt: skip
@with_api
async def flash(context: CommandContext, api: ApiClient, code: str, colour: str) -> None:
    """Have a label flash, so that you find it on the shelf."""
    kept = await api.post(_path(code, "/flash"), {"colour": colour})
    state = "delivered" if kept is None else kept["state"]
    context.emit({"esl": code, "state": state}, lambda _: _print_flash(code, is_away=kept is not None))


def _print_flash(code: str, *, is_away: bool) -> None:
    if is_away:
        print_line(message("{label}: it flashes if the cloud is reached within a minute", label=code))
    else:
        print_line(message("{label}: it flashes now", label=code))


@labels.command()
@click.argument("code")
@click.argument("output", type=click.Path(path_type=Path, dir_okay=False))
@with_api
async def picture(context: CommandContext, api: ApiClient, code: str, output: Path) -> None:
    """Write the newest picture of a label to a PNG file."""
    await _write_bytes(output, await api.get_bytes(_path(code, "/picture")))
    context.emit({"esl": code, "output": str(output)}, lambda _: print_line(str(output)))


async def _write_bytes(output: Path, content: bytes) -> None:
    try:
        await asyncio.to_thread(output.write_bytes, content)
    except OSError as exc:
        fail(message("{file} cannot be written: {reason}", file=output, reason=describe_error(exc)))


@labels.command()
@click.argument("code", required=False)
@click.option("--timeout", "timeout_s", default=300.0, show_default=True, type=click.FloatRange(min=0),
              help="How long to wait for labels that are still open, in seconds.")  # fmt: skip
@with_api
async def verify(context: CommandContext, api: ApiClient, *, code: str | None, timeout_s: float) -> None:
    """Ask a label, or all, whether they are right, and wait until each has said so; status 1 if one is not."""
    if not api.running:
        fail(message("no gateway runs that would ask them: sunmi-gateway run"))
    await api.call("POST", "label-verification" if code is None else _path(code, "/verify"))
    end = time.monotonic() + timeout_s
    told_at = time.monotonic()
    counts = await _count(api, code)
    while _is_open(counts) and time.monotonic() < end:
        await asyncio.sleep(_POLL_INTERVAL_S)
        counts = await _count(api, code)
        if time.monotonic() - told_at >= _PROGRESS_INTERVAL_S:
            told_at = time.monotonic()
            print_message(_describe_counts(counts))
    bad = [await api.get(_path(code))] if code is not None else await _list_bad(api)
    bad = [label for label in bad if label["state"] not in ("shown", "vendor")]
    context.emit({"counts": counts, "labels": bad}, _print_verification)
    if _is_open(counts):
        print_message(message("open labels wait for the cloud, or for their access points: sunmi-gateway doctor"))
    if bad:
        fail(
            count_message(
                "{count} label does not show what it should", "{count} labels do not show what they should", len(bad)
            )
        )


def _is_open(counts: Mapping[str, int]) -> bool:
    """Tell whether labels have not said yet whether they are right."""
    return any(counts[state] for state in _OPEN)


async def _count(api: ApiClient, code: str | None) -> dict[str, int]:
    if code is None:
        counts: dict[str, int] = (await api.get("labels?limit=1"))["counts"]
        return counts
    state = (await api.get(_path(code)))["state"]
    return {name: int(name == state) for name in _STATES}


async def _list_bad(api: ApiClient) -> list[Any]:
    found: list[Any] = []
    for state in (*_OPEN, "failed"):
        found += await api.get_all("labels", "labels", {"state": state, "limit": _MAX_PAGE})
    return found


def _print_verification(document: dict[str, Any]) -> None:
    if document["labels"]:
        print_table(map(_add_battery, document["labels"]), _COLUMNS)
    print_line(_describe_counts(document["counts"]))


def _describe_counts(counts: Mapping[str, int]) -> str:
    return message(
        "right {shown}, open {open}, failed {failed}, drawn by the vendor {vendor}",
        shown=counts["shown"],
        open=sum(counts[state] for state in _OPEN),
        failed=counts["failed"],
        vendor=counts["vendor"],
    )


@labels.group()
def templates() -> None:
    """The templates that draw labels: list, show, save, delete."""


@templates.command("list")
@with_api
async def list_templates(context: CommandContext, api: ApiClient) -> None:
    """List the templates: those that come with the gateway, and the shop's own."""
    document = await api.get("label-templates")
    context.emit(document, lambda shown: print_table(map(_choose_title, shown["templates"]), _TEMPLATE_COLUMNS))
    for fault in document["faults"]:
        print_message(message("{parameter}: {reason}", parameter=fault["parameter"], reason=fault["reason"]))


def _choose_title(one: dict[str, Any]) -> dict[str, Any]:
    title = one["title_zh"] if command_language() == "zh" else one["title"]
    return {**one, "title": title, "models": ", ".join(one["models"])}


@templates.command("show")
@click.argument("name")
@with_api
async def show_template(context: CommandContext, api: ApiClient, name: str) -> None:
    """Print the TOML of a template, to make another one of it."""
    content = (await api.get_bytes(_template_path(name))).decode("utf-8", "replace")
    context.emit({"name": name, "content": content}, lambda shown: click.echo(shown["content"], nl=False))


@templates.command("save")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True))
@with_api
async def save_template(context: CommandContext, api: ApiClient, name: str, file: Path) -> None:
    """Check a template in TOML and keep it. The labels that it draws are drawn again."""
    saved = await api.call("PUT", _template_path(name), await read_list(file))
    context.emit(saved, lambda shown: print_line(message("{name}: saved", name=shown["name"])))


@templates.command("delete")
@click.argument("name")
@with_api
async def delete_template(context: CommandContext, api: ApiClient, name: str) -> None:
    """Delete a template of the shop."""
    await api.call("DELETE", _template_path(name))
    context.emit({"name": name, "removed": True}, lambda _: print_line(message("{name}: deleted", name=name)))


def _template_path(name: str) -> str:
    return f"label-templates/{quote(name, safe='')}"
