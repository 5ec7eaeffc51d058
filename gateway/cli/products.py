"""Commands for the shop's products: lists, what is in effect at the cloud, and the comparison with it."""

import asyncio
import csv
import io
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import quote, urlencode

import click

from firmware_tools.command_language import localize
from firmware_tools.language import Message, count_message, message
from gateway.cli.client import ApiClient, ApiError
from gateway.cli.command import CommandContext, fail, read_list, with_api, write_file, writing_results
from gateway.cli.output import print_line, print_members, print_message, print_table
from gateway.protocol import json_text

_MAX_PAGE: Final = 500
_POLL_INTERVAL_S: Final = 0.5
_MAX_SHOWN: Final = 10
"""How many rows of each kind a report shows; `--json` has more."""
_COLUMNS: Final = {
    message("ID"): "product_id",
    message("NAME"): "name",
    message("PRICE"): "price",
    message("STATE"): "state",
    message("CHANGED"): "changed_at",
    message("CONFIRMED"): "confirmed_at",
    message("REASON"): "problem",
}
_PRICE_COLUMNS: Final = {
    message("ID"): "product_id",
    message("NAME"): "name",
    message("FIELD"): "field",
    message("OLD"): "old",
    message("NEW"): "new",
}
_FAULT_COLUMNS: Final = {
    message("ROW"): "row",
    message("COLUMN"): "column",
    message("VALUE"): "value",
    message("REASON"): "reason",
}
_DIFFERENCE_COLUMNS: Final = {
    message("ID"): "product_id",
    message("NAME"): "name",
    message("FIELD"): "field",
    message("TAKEN"): "confirmed",
    message("FOUND"): "found",
}


@click.group()
def products() -> None:
    """The shop's products: import, list, show, export, reconcile."""


@products.command("import")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True))
@click.option(
    "--watch", metavar="FOLDER", type=click.Path(path_type=Path, file_okay=False, exists=True, resolve_path=True),
    help="Take each list that is put into a folder from now on, and those there, until this is ended.",
)  # fmt: skip
@click.option("--partial", is_flag=True, help="The list has some products and fields: change these alone.")
@click.option("--source", default="", help="Where the list is from. A mapping that was saved for it is used.")
@click.option(
    "--map", "mapped", multiple=True, metavar="COLUMN=FIELD",
    help="The field of a column; nothing after = for a column to ignore. It is saved for the source with the list.",
)  # fmt: skip
@click.option("--all-or-nothing", is_flag=True, help="Take nothing if a row is bad. Else the good rows are taken.")
@click.option("--dry-run", is_flag=True, help="Only say what the list would change.")
@click.option("--yes", is_flag=True, help="Take it whatever it changes: no preview, no question.")
@with_api
async def import_products(
    context: CommandContext, api: ApiClient, /, file: Path | None, watch: Path | None, *, dry_run: bool, yes: bool,
    **given: Any,
) -> None:  # fmt: skip
    """Take a list of products: CSV, TSV, Excel or JSON, as the till saves it. What differs goes to the cloud.

    It is previewed first. Where it would delete more than 5 % of the products, or change prices by more than half, a
    person is asked, and what was shown is taken, or nothing. Good rows are taken also if others are bad, which ends
    with status 1.
    """
    if watch is not None:
        if file is not None or dry_run or yes:
            raise click.UsageError(localize(message("--watch goes without FILE, --dry-run and --yes")))
        await _watch(context, api, watch, given)
    if file is None:
        raise click.UsageError(localize(message("give FILE, or --watch FOLDER")))
    content = await read_list(file)
    confirm = "true"
    if dry_run or not yes:
        report = await _send(context, api, content, given, dry_run=True)
        if dry_run:
            _end(context, report)
            return
        confirm = "false"
        is_refused = given["all_or_nothing"] and report["bad_rows"]
        if report["needs_confirmation"] and not is_refused:
            await _ask(context, report)
            confirm = report["digest"]
    _end(context, await _send(context, api, content, given, confirm=confirm))


def _end(context: CommandContext, report: dict[str, Any]) -> None:
    """Print what a list changes; end the command with status 1 if rows of it are bad."""
    context.emit(report, _print_report)
    if report["bad_rows"]:
        fail(message("the products of bad rows stay as they are: correct these rows, and hand the list over again"))


async def _watch(context: CommandContext, api: ApiClient, folder: Path, given: dict[str, Any]) -> NoReturn:
    """Take the lists of a folder for ever."""
    from gateway.cli.product_folder import watch_folder

    if not api.running:
        fail(message("--watch hands lists over to a gateway that runs: start it first, with sunmi-gateway run"))

    async def hand_over(file: str, content: bytes) -> None:
        report = {"file": file, **await _hand_over(api, content, given, file=file)}
        if report["taken"]:
            print_message(message("{file} was taken", file=file))
            context.emit(report, _print_report)

    await watch_folder(folder, hand_over)


async def _ask(context: CommandContext, report: dict[str, Any]) -> None:
    """Ask whether a list that changes much is to be taken; end the command if it is not."""
    _print_report(report, errors=True)
    if not context.can_prompt:
        fail(message("nothing was taken: give --yes if that is right"))
    if not await context.confirm(message("Take the list as it is?")):
        fail(message("nothing was taken"))


async def _send(
    context: CommandContext, api: ApiClient, content: bytes, given: dict[str, Any], **how: Any
) -> dict[str, Any]:
    """Hand a list over. Prints its faults as a table and exits with status 1 if none of it can be taken."""
    try:
        return await _hand_over(api, content, given, **how)
    except ApiError as exc:
        faults = exc.document.get("errors")
        if context.json or not faults:
            raise
        for one in faults[:_MAX_SHOWN]:
            print_line(f"{one['parameter']}: {one['reason']}")
        fail(count_message("{count} fault; nothing was taken", "{count} faults; nothing was taken", len(faults)))


async def _hand_over(
    api: ApiClient, content: bytes, given: dict[str, Any], *, dry_run: bool = False, confirm: str = "false",
    file: str = "",
) -> dict[str, Any]:  # fmt: skip
    flags = {"all_or_nothing": given["all_or_nothing"], "dry_run": dry_run}
    members = {"source": given["source"], "map": given["mapped"], "file": file, "confirm": confirm}
    query = urlencode({**members, **{name: str(value).lower() for name, value in flags.items()}}, doseq=True)
    report: dict[str, Any] = await api.call("PATCH" if given["partial"] else "PUT", f"products?{query}", content)
    return report


def _print_report(report: dict[str, Any], *, errors: bool = False) -> None:
    """Print what a list changes; what leads to a question goes to standard error with it."""
    show = print_message if errors else print_line
    _print_reading(report)
    for notice in report["notices"]:
        print_message(notice)
    if report["faults"]:
        print_table(report["faults"][:_MAX_SHOWN], _FAULT_COLUMNS)
        print_message(
            count_message("{count} row is bad, and left out", "{count} rows are bad, and left out", report["bad_rows"])
        )
    if report["first_large_price_changes"]:
        print_table(report["first_large_price_changes"][:_MAX_SHOWN], _PRICE_COLUMNS)
        print_message(message("prices that change by more than half: {count}", count=report["large_price_changes"]))
    if deleted := report["first_deleted"]:
        more = " …" if report["deleted"] > _MAX_SHOWN else ""
        print_message(message("deleted: {numbers}", numbers=", ".join(deleted[:_MAX_SHOWN]) + more))
    show(
        message(
            "new {created}, changed {updated}, deleted {deleted}, as before {unchanged}",
            created=report["created"],
            updated=report["updated"],
            deleted=report["deleted"],
            unchanged=report["unchanged"],
        )
    )
    if not report["taken"]:
        show(message("nothing of it was taken yet"))


def _print_reading(report: dict[str, Any]) -> None:
    """Print how a list was read; its first rows, too, where it was not taken."""
    columns = ", ".join(f"{heading} = {field}" for field, heading in report["columns"].items())
    if report["separator"]:
        print_message(
            message(
                "read as {encoding}, columns separated by {separator!r}: {columns}",
                encoding=report["encoding"],
                separator=report["separator"],
                columns=columns,
            )
        )
    else:
        print_message(message("read as {encoding}: {columns}", encoding=report["encoding"], columns=columns))
    for field, mark in report["decimal"].items():
        if mark == "comma":
            print_message(message("{field}: decimals stand after a comma", field=field))
        else:
            print_message(message("{field}: decimals stand after a point", field=field))
    if not report["taken"]:
        print_table(
            [{"row": one["row"], **one["fields"]} for one in report["first_rows"]],
            {message("ROW"): "row", **{Message("{field}", {"field": field}): field for field in report["columns"]}},
        )


@products.command("list")
@click.argument("search", required=False, default="")
@click.option("--state", type=click.Choice(["settled", "open", "sent", "refused"]), help="Only products in this state.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, _MAX_PAGE))
@click.option("--after", type=click.IntRange(0), help="Only products after this one: `next` of the page before.")
@with_api
async def list_products(context: CommandContext, api: ApiClient, /, search: str, **given: Any) -> None:
    """List products, or those with SEARCH in number, name or bar code."""
    query = {name: value for name, value in {"search": search, **given}.items() if value not in (None, "")}
    page = await api.get(f"products?{urlencode(query)}")
    nothing = message("no product is like that; without a list there are none: sunmi-gateway products import FILE")
    context.emit(page, lambda shown: print_table(map(_add_price, shown["products"]), _COLUMNS, empty=nothing))
    if page["next"]:
        print_message(message("there are more: --after {next}", next=page["next"]))


def _add_price(product: dict[str, Any]) -> dict[str, Any]:
    return {**product, "price": (product["wanted"] or product["confirmed"] or {}).get("price")}


@products.command()
@click.argument("product_id", metavar="ID")
@with_api
async def show(context: CommandContext, api: ApiClient, product_id: str) -> None:
    """Show one product: what is wanted, what the cloud has taken, and the prices that came into effect."""
    context.emit(await api.get(f"products/{quote(product_id, safe='')}"), print_members)


@products.command()
@click.option("--format", "kind", type=click.Choice(["csv", "json"]), default="csv", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="The file; default: standard output.")
@with_api
async def export(context: CommandContext, api: ApiClient, kind: str, output: Path | None) -> None:
    """Write all products that are wanted, with every field, as a list that can be imported again.

    Prices for a time are not part of it: importing it again leaves them as they are.
    """
    stored = await api.get_all("products", "products", {"limit": _MAX_PAGE})
    found = [one["listed"] for one in stored if one["listed"] is not None]  # a price for a time would stay for good
    is_json = kind == "json" or context.json
    text = json_text.dumps({"products": found}, indent=2) if is_json else _write_csv(found)
    if output is None:
        with writing_results():
            click.echo(text.encode())
        return
    await asyncio.to_thread(write_file, output, text.removesuffix("\n"))
    print_message(
        count_message(
            "{count} product written to {output}", "{count} products written to {output}", len(found), output=output
        )
    )


def _write_csv(found: list[dict[str, Any]]) -> str:
    """Return products as CSV, with the mark by which spreadsheets know UTF-8."""
    names = list(dict.fromkeys(["id", "name", "price", *(name for one in found for name in one)]))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    for one in found:
        writer.writerow(
            value if isinstance(value := one.get(name, ""), str) else json_text.dumps(value) for name in names
        )
    return f"\ufeff{file.getvalue()}"


@products.command()
@click.option("--mend", is_flag=True, help="Bring the cloud back to what is wanted.")
@click.option("--delete-foreign", is_flag=True, help="With --mend: delete what no list ever brought there.")
@with_api
async def reconcile(context: CommandContext, api: ApiClient, *, mend: bool, delete_foreign: bool) -> None:
    """Compare all products with what the cloud really has, and show the differences."""
    if delete_foreign and not mend:
        raise click.UsageError(localize(message("--delete-foreign goes with --mend")))
    document = await api.post("product-reconciliation", {"mend": mend, "delete_foreign": delete_foreign})
    while document["state"] == "running":
        await asyncio.sleep(_POLL_INTERVAL_S)
        document = await api.get("product-reconciliation")
    if document["state"] == "failed":
        fail(message("the products were not compared: {reason}", reason=document["reason"]))
    context.emit(document, _print_reconciliation)


def _print_reconciliation(document: dict[str, Any]) -> None:
    print_table(document["first_different"], _DIFFERENCE_COLUMNS)
    for name, heading in (("first_missing", message("missing")), ("first_foreign", message("foreign"))):
        if numbers := document[name]:
            print_line(f"{localize(heading)}: {', '.join(numbers[:_MAX_SHOWN])}{' …' * (len(numbers) > _MAX_SHOWN)}")
    print_line(
        message(
            "compared {compared}: missing {missing}, foreign {foreign}, different {different}, mended {mended}",
            compared=document["compared"],
            missing=document["missing"],
            foreign=document["foreign"],
            different=document["different"],
            mended=document["mended"],
        )
    )
