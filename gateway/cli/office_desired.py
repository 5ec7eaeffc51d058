"""Commands of the head office that say what is desired of shops: settings, lists of products, templates of labels."""

import asyncio
import contextlib
import io
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click

from firmware_tools.command_language import localize
from firmware_tools.language import count_message, message
from gateway.cli.arguments import parse_pairs
from gateway.cli.command import CommandContext, fail
from gateway.cli.office_folder import with_office
from gateway.cli.office_targets import RolloutOptions, confirm, make_target, rollout_options, target_options, tell_shops
from gateway.cli.output import print_line, print_message, print_table

if TYPE_CHECKING:
    from gateway.office.office import Office
    from gateway.office.rollout_documents import RolloutTarget

_MAX_SHOWN: Final = 10
_PIECE_BYTES: Final = 1024 * 1024
_FILE: Final = click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True)
_FAULT_COLUMNS: Final = {
    message("ROW"): "row",
    message("COLUMN"): "column",
    message("VALUE"): "value",
    message("REASON"): "reason",
}


@click.command("set")
@click.argument("settings", nargs=-1, required=True, metavar="SECTION.KEY=VALUE…")
@target_options
@rollout_options
@with_office
async def set_settings(
    context: CommandContext, office: "Office", /, *, settings: Sequence[str], shops: Sequence[str],
    groups: Sequence[str], everyone: bool, **options: Any,
) -> None:  # fmt: skip
    """Set settings of shops. They are checked here first, and again in each shop.

    A setting of one shop wins over that of its group, and that over the one of all. Lists are JSON.
    """
    from gateway.fleet.part_names import SETTINGS, setting_part
    from gateway.office.desired import parse_setting

    target = make_target(shops, groups, everyone=everyone)
    parts = {setting_part(name): parse_setting(name, text) for name, text in parse_pairs(settings).items()}
    title = ", ".join(settings)
    await tell_shops(context, office, SETTINGS, parts, target, RolloutOptions(**options), title=title)


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="SECTION.KEY|products|templates.NAME|version|document…")
@target_options
@rollout_options
@with_office
async def unset(
    context: CommandContext, office: "Office", /, *, names: Sequence[str], shops: Sequence[str],
    groups: Sequence[str], everyone: bool, **options: Any,
) -> None:  # fmt: skip
    """Take back what is desired of shops: what is desired of wider groups of shops counts again, or their own.

    `document` takes back everything at once, also from a document that is damaged.
    """
    from gateway.fleet.part_names import DOCUMENT, SETTINGS, find_part_kind, setting_part
    from gateway.office.desired import DesiredBucket, check_removals, find_missing
    from gateway.office.rollout_targets import list_scopes

    target = make_target(shops, groups, everyone=everyone)
    how = RolloutOptions(**options)
    if DOCUMENT in names:
        if len(names) > 1 or how.waves is not None:
            raise click.UsageError(localize(message("give document alone, and without --waves")))
        await _empty_documents(context, office, target, how)
        return
    kinds = {}
    for given in names:
        name = given.removeprefix(setting_part(""))  # so `office show` and pages write it
        kind = find_part_kind(name) or SETTINGS
        if kind == SETTINGS and not all(name.partition(".")):
            what = message("{name!r} is no SECTION.KEY, products, templates.NAME, version or document", name=name)
            raise click.UsageError(localize(what))
        kinds[setting_part(name) if kind == SETTINGS else name] = kind
    first, *others = dict.fromkeys(kinds.values())
    if others and how.waves is not None:
        what = message("with --waves, name what is all of one kind: settings, products, templates or version")
        raise click.UsageError(localize(what))
    parts = dict.fromkeys(kinds)
    documents = await DesiredBucket(office).read(list_scopes(target))
    check_removals(documents.values(), parts)  # before anything is asked
    missing = find_missing(documents.values(), parts)
    title = message("without {names}", names=", ".join(names))
    await tell_shops(context, office, first, parts, target, how, title=title)
    if missing:
        print_message(
            message(
                "{names} is not set in {documents}",
                names=", ".join(part.removeprefix(f"{SETTINGS}.") for part in missing),
                documents=", ".join(documents),
            )
        )


async def _empty_documents(
    context: CommandContext, office: "Office", target: "RolloutTarget", how: RolloutOptions
) -> None:
    from gateway.office.changes import empty_documents
    from gateway.office.shops import load_shops

    shops = await load_shops(office)
    await confirm(context, shops, target, how)
    emptied = await empty_documents(office, shops, target)
    what = message("nothing is desired in {documents} any more", documents=", ".join(emptied))
    context.emit({"documents": emptied}, lambda _: print_line(what))


@click.group()
def push() -> None:
    """Files for shops: products, templates."""


@push.command()
@click.argument("file", type=_FILE)
@click.option("--partial", is_flag=True, help="The list has some products and fields: change these alone.")
@click.option("--confirm", is_flag=True, help="Shops take it even if it deletes or changes much.")
@target_options
@rollout_options
@with_office
async def products(
    context: CommandContext, office: "Office", /, *, file: Path, partial: bool, confirm: bool, shops: Sequence[str],
    groups: Sequence[str], everyone: bool, **options: Any,
) -> None:  # fmt: skip
    """Push a list of products: CSV, TSV, Excel or JSON. Each shop reads it as if it had been imported there.

    It is read here first. With a bad row nothing is sent.
    """
    from gateway.fleet.part_names import PRODUCTS
    from gateway.office.content import ContentStore

    target = make_target(shops, groups, everyone=everyone)
    store = ContentStore(office)
    with _copy_file(file) as content:
        await _check_products(file.name, content.read(), is_partial=partial)
        reference = await store.put(file.name, content)
    wanted = {**reference.model_dump(mode="json"), "complete": not partial, "confirm": confirm}
    await store.remove_unused()
    await tell_shops(
        context, office, PRODUCTS, {PRODUCTS: wanted}, target, RolloutOptions(**options), title=reference.name
    )


@contextlib.contextmanager
def _copy_file(file: Path) -> Iterator[IO[bytes]]:
    """Open a copy of a file, of standard input for `-`, which nobody changes meanwhile. Fails if it is too large."""
    from gateway.fleet.documents import MAX_CONTENT_BYTES

    with tempfile.TemporaryFile() as copy:
        try:
            with (Path("/dev/stdin") if str(file) == "-" else file).open("rb") as source:
                while copy.tell() <= MAX_CONTENT_BYTES and (piece := source.read(_PIECE_BYTES)):
                    copy.write(piece)
        except OSError as exc:
            fail(message("{file} cannot be read: {reason}", file=file, reason=exc))
        if copy.tell() > MAX_CONTENT_BYTES:
            fail(
                message(
                    "{file} is larger than {size} MB, and no shop takes that: split it",
                    file=file,
                    size=MAX_CONTENT_BYTES // 1024**2,
                )
            )
        copy.seek(0)
        yield copy


async def _check_products(name: str, content: bytes, *, is_partial: bool) -> None:
    """Read a list; print what is wrong with it and fail if anything is."""
    from gateway.products.product_list import read_product_list

    found = await asyncio.to_thread(read_product_list, content, file_name=name, is_partial=is_partial)
    print_message(count_message("{count} product was read", "{count} products were read", len(found.products)))
    for notice in found.notices:
        print_message(notice)
    if found.fault_count:
        print_table([asdict(fault) for fault in found.faults[:_MAX_SHOWN]], _FAULT_COLUMNS)
        fail(
            count_message(
                "{count} row is bad: correct it; nothing was sent",
                "{count} rows are bad: correct them; nothing was sent",
                found.bad_row_count,
            )
        )


@push.command()
@click.argument("files", type=_FILE, nargs=-1, required=True)
@target_options
@rollout_options
@with_office
async def templates(
    context: CommandContext, office: "Office", /, *, files: Sequence[Path], shops: Sequence[str],
    groups: Sequence[str], everyone: bool, **options: Any,
) -> None:  # fmt: skip
    """Push templates of shelf labels in TOML. They are checked here first, for every model that they name."""
    from gateway.fleet.part_names import TEMPLATES, template_part
    from gateway.labels.template import MAX_TEMPLATE_BYTES, parse_template
    from gateway.office.content import ContentStore

    target = make_target(shops, groups, everyone=everyone)
    contents: dict[str, bytes] = {}
    for file in files:
        with _copy_file(file) as content:
            contents[file.name] = content.read(MAX_TEMPLATE_BYTES + 1)
    names = {name: parse_template(content, name).name for name, content in contents.items()}
    if len({*names.values()}) < len(names):
        raise click.UsageError(localize(message("two of the files are templates of one name")))
    store = ContentStore(office)
    parts = {
        template_part(names[file]): (await store.put(file, io.BytesIO(content))).model_dump(mode="json")
        for file, content in contents.items()
    }
    await store.remove_unused()
    title = ", ".join(names.values())
    await tell_shops(context, office, TEMPLATES, parts, target, RolloutOptions(**options), title=title)
