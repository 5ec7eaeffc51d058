"""The page of a command that thousands of shops get: it shows one page of them, and is sent when something changed."""

import re

from gateway.office.command_calls import CommandCall
from gateway.office_site.command_runs import CommandRun
from gateway.office_site.row_pages import PER_PAGE
from tests.office_site.chain import TIME, Visitor

SHOPS = [f"shop-{number}" for number in range(1, 4 * PER_PAGE + 1)]


def add_run(visitor: Visitor) -> CommandRun:
    """Let a command to many shops be under way that nobody answers."""
    run = CommandRun("large-run", "doctor", {}, SHOPS, "browser", TIME)
    visitor.site.view.commands._runs[run.id] = run
    return run


def list_shops(html: str) -> list[str]:
    return re.findall(r"<h2><a [^>]*>([^<]*)</a>", html)


async def test_a_page_has_some_of_many_shops_those_that_failed_first(visitor: Visitor) -> None:
    await visitor.sign_in()
    run = add_run(visitor)
    for shop in SHOPS[:100]:
        run.take(CommandCall(shop, "id", "done", "", {}))
    run.take(CommandCall("shop-7", "id", "refused", "not allowed", {}))
    _, html = await visitor.get(f"commands/{run.id}")
    assert list_shops(html) == ["shop-7", *SHOPS[100 : 100 + PER_PAGE - 1]]
    assert re.findall(r"<strong>(\d+)</strong> ([a-z ]+)<", html) == [
        ("1", "refused"),
        ("99", "done"),
        ("100", "under way"),
    ]
    assert "Page 1 of 4" in html
    _, html = await visitor.get(f"commands/{run.id}?page=4")
    assert list_shops(html) == SHOPS[100 - PER_PAGE : 100]
    assert f'hx-get="/console/commands/{run.id}/part?page=4&amp;seen={run.version}"' in html
    run.is_over = True
    _, html = await visitor.get(f"commands/{run.id}?page=2")
    assert ("no answer" in html, "under way" in html, "hx-get" in html) == (True, False, False)


async def test_what_was_seen_is_not_sent_again(visitor: Visitor) -> None:
    await visitor.sign_in()
    run = add_run(visitor)
    path = f"commands/{run.id}/part?page=1&seen={run.version}"
    response, html = await visitor.get(path)
    assert (response.status, html) == (204, "")
    run.take(CommandCall("shop-3", "id", "failed", "the disk is full", {}))
    response, html = await visitor.get(path)
    assert response.status == 200
    assert list_shops(html)[:2] == ["shop-3", "shop-1"]
    assert len(html) < 20_000
