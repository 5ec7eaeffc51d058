"""Handing over a list of products: uploaded, looked at, its columns corrected, and taken exactly as it was shown."""

import re
from collections import Counter
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from firmware_tools.language import Message, describe_error, message
from gateway.api.changes import name_object
from gateway.console.form import Form
from gateway.console.list_upload import UploadedList
from gateway.console.page import ConsolePage, PageContext
from gateway.console.product_texts import FIELD_TITLES, PRODUCTS, find_field_title, find_product_page, show_value
from gateway.errors import Conflict, FieldError, InvalidRequest, StateError
from gateway.products.columns import ColumnMapping
from gateway.products.mapping_table import SOURCE_PATTERN
from gateway.products.number_style import DecimalMark
from gateway.products.product import PRICE_FIELDS
from gateway.products.product_list import MAX_LIST_BYTES

_FORM: Final = f"{PRODUCTS}/import"
_PREVIEW: Final = f"{_FORM}/preview"
_MAX_UPLOAD_BYTES: Final = MAX_LIST_BYTES + 64 * 1024
"""The fields beside the file, and what divides them, are small."""
_MAX_FAULTS: Final = 100
_MAX_CHANGES: Final = 20
_MAX_FILE_NAME: Final = 100
_MAX_SOURCE: Final = 64
_NO_FILE: Final = message("Choose the file of a list first.")


async def show_form(context: PageContext) -> web.StreamResponse:
    """Ask for the file. What was said of the last one is filled in: it may be the same file, corrected."""
    query, waiting = context.request.query, context.site.list_upload.waiting
    last = {} if waiting is None else {"kind": waiting.kind, "source": waiting.source}
    return context.render(
        "product_import.html",
        sources=list(await context.gateway.product_lists.mappings.list_all()),
        waiting=waiting,
        kind=query.get("kind", last.get("kind", "complete")),
        source=query.get("source", last.get("source", ""))[:_MAX_SOURCE],
    )


async def receive_list(context: PageContext) -> web.StreamResponse:
    """Receive a list in place of the one that waits, and find out what it would change."""
    upload = context.site.list_upload
    form = await context.open_upload(_MAX_UPLOAD_BYTES)
    source = form.text("source").strip()
    again = f"{_FORM}?{urlencode({'kind': form.text('kind'), 'source': source[:_MAX_SOURCE]})}"
    async with upload.lock():
        try:
            upload.discard()
            if not re.fullmatch(SOURCE_PATTERN, source):
                reason = message("must be at most 64 letters, digits, blanks, dots and hyphens")
                raise InvalidRequest([FieldError("source", reason)])
            if not await form.save(upload.path, min_free_bytes=MAX_LIST_BYTES):
                return context.redirect(again, notice=_NO_FILE, failed=True)
            uploaded = UploadedList(
                path=upload.path,
                file_name=form.file_name[-_MAX_FILE_NAME:],
                kind="complete" if form.text("kind") == "complete" else "fields",
                source=source,
                who=context.name,
            )
            await uploaded.preview(context.gateway.product_lists)
            upload.keep(uploaded)
        except (InvalidRequest, StateError, OSError) as exc:
            return context.redirect(again, notice=_describe_refusal(exc), failed=True)
        finally:
            if upload.waiting is None:
                upload.discard()
    return context.redirect(_PREVIEW)


def _describe_refusal(error: Exception) -> Message:
    reason = describe_error(error)
    if isinstance(error, InvalidRequest) and error.field_errors:
        reason = error.field_errors[0].reason
    return message("The list was not taken: {reason}", reason=reason)


async def show_preview(context: PageContext) -> web.StreamResponse:
    """Show what the list that waits would change, and how it was read."""
    uploaded = context.site.list_upload.waiting
    if uploaded is None:
        return context.redirect(_FORM)
    return context.render("product_preview.html", **_describe(uploaded))


def _describe(uploaded: UploadedList) -> dict[str, Any]:
    summary = uploaded.summary
    problem = uploaded.problem
    rows = [one["fields"] for one in summary["first_rows"]] if summary is not None else []
    shown = {name for row in rows for name in row}
    used = {column.field for column in uploaded.columns if column.field}
    return {
        "uploaded": uploaded,
        "summary": summary,
        "problems": problem.field_errors if isinstance(problem, InvalidRequest) else (),
        "problem": problem,
        "titles": FIELD_TITLES | {name: name for name in sorted(used - FIELD_TITLES.keys())},
        "find_title": find_field_title,
        "find_page": find_product_page,
        "shown_fields": [name for name in FIELD_TITLES if name in shown] + sorted(shown - FIELD_TITLES.keys()),
        "rows": [{name: show_value(value) for name, value in row.items()} for row in rows],
        "max_faults": _MAX_FAULTS,
        "max_changes": _MAX_CHANGES,
        "marks": [str(mark) for mark in DecimalMark],
        "mark": next((str(mark) for mark in uploaded.mapping.decimal.values()), ""),
    }


async def correct_columns(context: PageContext) -> web.StreamResponse:
    """Read the list again with other columns."""
    form = await context.read_form()
    upload = context.site.list_upload
    async with upload.lock():
        uploaded = upload.find(form.text("key"))
        try:
            uploaded.mapping = _read_mapping(form, uploaded)
            await uploaded.preview(context.gateway.product_lists)
        except InvalidRequest as exc:
            return context.redirect(f"{_PREVIEW}#columns", notice=_describe_refusal(exc), failed=True)
    return context.redirect(_PREVIEW)


def _read_mapping(form: Form, uploaded: UploadedList) -> ColumnMapping:
    """Return how the columns are corrected so far. Raises `InvalidRequest` for a field that two columns have."""
    chosen = {
        column.heading: form.text(f"column-{place}") if f"column-{place}" in form.fields else column.field
        for place, column in enumerate(uploaded.columns)
    }
    twice = [name for name, count in Counter(filter(None, chosen.values())).items() if count > 1]
    if twice:
        reason = message("two columns are chosen to be {field}; choose one", field=find_field_title(twice[0]))
        raise InvalidRequest([FieldError("columns", reason)])
    columns = {one.heading: chosen[one.heading] for one in uploaded.columns if chosen[one.heading] != one.field}
    mark = form.text("decimal")
    decimal = dict.fromkeys(PRICE_FIELDS, mark) if mark else {}
    return ColumnMapping.from_document({"columns": {**uploaded.mapping.columns, **columns}, "decimal": decimal})


async def take_list(context: PageContext) -> web.StreamResponse:
    """Take the list exactly as it was shown."""
    form = await context.read_form()
    upload, intake = context.site.list_upload, context.gateway.product_lists
    async with upload.lock():
        uploaded = upload.find(form.text("key"))
        try:
            report = await uploaded.take(intake, form.text("digest"))
        except Conflict as exc:
            await uploaded.preview(intake)
            return context.redirect(_PREVIEW, notice=_describe_refusal(exc), failed=True)
        upload.discard()
    name_object(context.request, f"{report.products} products")
    difference = report.difference
    notice = message(
        "The list was taken. Products: {created} new, {updated} changed, {deleted} deleted. The changes are on their "
        "way to the cloud.",
        created=len(difference.created),
        updated=len(difference.updated),
        deleted=len(difference.deleted),
    )
    return context.redirect(PRODUCTS, notice=notice)


async def discard_list(context: PageContext) -> web.StreamResponse:
    """Delete the list that waits."""
    form = await context.read_form()
    upload = context.site.list_upload
    async with upload.lock():
        upload.find(form.text("key"))
        upload.discard()
    return context.redirect(_FORM, notice=message("The list was discarded. The products stay as they are."))


PAGES = (
    ConsolePage("GET", "products/import", show_form, "installer"),
    ConsolePage(
        "POST", "products/import", receive_list, "installer", audited=False, max_upload_bytes=_MAX_UPLOAD_BYTES
    ),
    ConsolePage("GET", "products/import/preview", show_preview, "installer"),
    ConsolePage("POST", "products/import/columns", correct_columns, "installer", audited=False),
    ConsolePage("POST", "products/import/take", take_list, "installer", does=message("Take a list of products")),
    ConsolePage("POST", "products/import/discard", discard_list, "installer", audited=False),
)
