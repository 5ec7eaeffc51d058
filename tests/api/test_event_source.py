"""A browser's EventSource: it reads with a ticket, and goes on by itself where it was when the server returns."""

from pathlib import Path

import pytest

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.events.event import NewEvent
from gateway.settings import Settings
from gateway.simulator.ports import find_free_port
from tests.browser import browsing, why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

LISTEN = """
    window.seen = []; window.notices = 0; window.opened = 0;
    const source = new EventSource("/api/v1/events?ticket=%s&after=0&types=a");
    source.onopen = () => { window.opened += 1; };
    source.onmessage = event => { window.seen.push([event.lastEventId, JSON.parse(event.data).data.n]); };
    source.addEventListener("notice", () => { window.notices += 1; });
"""
WAIT = """
    const end = Date.now() + 15000;
    while (window.seen.length < %d && Date.now() < end) await new Promise(done => setTimeout(done, 20));
    return {seen: window.seen, notices: window.notices, opened: window.opened};
"""


async def test_an_event_source_reconnects_and_misses_nothing(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {
            "server": {"host": "127.0.0.1", "port": find_free_port()},
            "storage": {"directory": str(tmp_path / "state")},
            "discovery": {"interfaces": ["lo"], "interval_s": 0},
        }
    )
    gateway = await Gateway.open(settings)
    made: list[str] = []

    async def happen(count: int) -> None:
        for _ in range(count):
            event = await gateway.event_log.append(NewEvent("a", "gateway", {"n": len(made)}))
            assert event is not None
            made.append(event.id)
            await gateway.event_log.append(NewEvent("other", "gateway"))

    try:
        async with browsing(tmp_path) as browser:
            async with serve(gateway) as [url, *_]:
                await happen(3)
                page = await browser.open(f"{url}healthz")
                ticket = await page.run(f"""
                    const headers = {{"Authorization": "Bearer {await gateway.tokens.create("till", "pos")}"}};
                    const answer = await fetch("/api/v1/events/tickets", {{method: "POST", headers}});
                    return (await answer.json()).ticket;
                """)
                await page.run(LISTEN % ticket)
                assert len((await page.run(WAIT % 3))["seen"]) == 3
                await happen(2)
                assert len((await page.run(WAIT % 5))["seen"]) == 5
            await happen(4)  # while nobody serves
            async with serve(gateway):
                await happen(2)
                shown = await page.run(WAIT % 11)
            assert shown["seen"] == [[event_id, number] for number, event_id in enumerate(made)]
            assert (shown["notices"], shown["opened"]) == (0, 2)
    finally:
        await gateway.close()
