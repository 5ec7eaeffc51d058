"""The page of what became of a command, and the file that a shop has returned."""

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from firmware_tools.language import describe_error, message
from gateway.errors import NotFound
from gateway.fleet.command_results import SupportBundleResult
from gateway.fleet.commands import COMMANDS
from gateway.office.command_calls import CallOutcome
from gateway.office.outcome_texts import CALL_OUTCOMES
from gateway.office_site.row_pages import cut_page, read_page_number
from gateway.office_site.site import OfficeContext, OfficePage

_CALL_KINDS: Final[Mapping[CallOutcome, str]] = {
    "refused": "failed",
    "failed": "failed",
    "interrupted": "failed",
    "unreadable": "failed",
    "away": "warning",
    "running": "skipped",
    "done": "ok",
}
"""How an outcome is coloured."""


async def show_command_run(context: OfficeContext) -> web.StreamResponse:
    """Show what became of a command."""
    return _render(context, "command_run.html")


async def show_command_run_part(context: OfficeContext) -> web.StreamResponse:
    """Show the part that changes; nothing to whoever has seen all of it."""
    run = context.view.commands.get(context.request.match_info["run"])
    if context.request.query.get("seen") == str(run.version):
        return web.Response(status=204)
    return _render(context, "command_run_part.html")


async def download_file(context: OfficeContext) -> web.StreamResponse:
    """Return the file that a shop has returned."""
    run = context.view.commands.get(context.request.match_info["run"])
    shop = context.request.match_info["shop"]
    if shop not in run.calls:
        raise NotFound(message("{shop} has not said yet what became of this command", shop=shop))
    try:
        content = SupportBundleResult.model_validate(run.read_result(shop)).decode()
    except ValueError as exc:
        reason = message("{shop} has returned no file: {reason}", shop=shop, reason=describe_error(exc))
        raise NotFound(reason) from exc
    headers = {"Content-Disposition": f'attachment; filename="{shop}-support.tar.gz"'}
    return web.Response(body=content, content_type="application/gzip", headers=headers)


def _render(context: OfficeContext, template: str) -> web.Response:
    from gateway.office_site.result_view import ResultView  # here, since the models of results take memory

    run = context.view.commands.get(context.request.match_info["run"])
    view = ResultView(context.language, context.reported)
    page = cut_page(sorted(run.shops, key=run.rank), read_page_number(context.request.query.get("page", "")))
    results = {
        shop: view.leave_out() if view.is_full else view.read(run.command, run.read_result(shop))
        for shop in page.rows
        if shop in run.results
    }
    return context.render(
        template,
        run=run,
        title=COMMANDS[run.command].title,
        page=page,
        counts=run.outcomes,
        call_texts=CALL_OUTCOMES,
        call_kinds=_CALL_KINDS,
        results=results,
    )


PAGES: Final = (
    OfficePage("GET", "commands/{run}", show_command_run, "view"),
    OfficePage("GET", "commands/{run}/part", show_command_run_part, "view", shows="part"),
    OfficePage("GET", "commands/{run}/files/{shop}", download_file, "operate", shows="data"),
)
