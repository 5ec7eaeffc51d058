"""Customer flow in the terminal: drawn for a person, and as JSON for a program."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from gateway.simulator.store import SimulatedStore

DAY = datetime.now(UTC).date() - timedelta(days=7)


async def test_today_is_drawn(running: str, store: SimulatedStore, command: Any) -> None:
    shown = await command("flow", "today")
    assert shown.status == 0, shown.errors
    assert shown.errors == ""
    head, origin, *lines = shown.output.splitlines()
    assert head.startswith("shop 10096, ")
    assert " customer" in head
    assert origin == "just fetched from the cloud"
    assert any(line.startswith("00:00 ") for line in lines)
    assert any("19 to 28 years" in line for line in lines)


async def test_json_is_the_response_of_the_rest_api(running: str, command: Any) -> None:
    await command("flow", "history", "--from", str(DAY))
    printed = await command("flow", "history", "--from", str(DAY), "--json")
    token = (await command("token", "create", "--scope", "pos", "--name", "till 1")).output.strip()
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{running}api/v1/flow/history?from={DAY}"
    async with aiohttp.ClientSession(headers=headers) as http, http.get(url) as response:
        answered = await response.json()
    assert {**printed.json, "age_s": 0} == {**answered, "age_s": 0}
    assert (await command("flow", "today", "--json")).json["unavailable"] == []


async def test_past_days_are_drawn_and_cached_without_a_service(store: SimulatedStore, command: Any) -> None:
    words = ("flow", "history", "--from", str(DAY), "--to", str(DAY + timedelta(days=2)))
    shown = await command(*words)
    assert shown.status == 0, shown.errors
    bars = {line.split()[0]: line.count("█") for line in shown.output.splitlines() if "█" in line}
    assert list(bars) == [str(DAY + timedelta(days=number)) for number in range(3)]
    assert max(bars.values()) > 20
    fetched = (await command(*words, "--json")).json
    asked = len(store.cloud.accepted)
    await store.cloud.stop()
    kept = await command(*words, "--json")
    assert (kept.status, kept.json["source"], kept.json["days"]) == (0, "cache", fetched["days"])
    assert "cached, fetched" in (await command(*words)).output
    assert len(store.cloud.accepted) == asked
    hours = await command("flow", "history", "--from", str(DAY))
    assert hours.status == 0
    assert "passengerFlow/stat/history/getTrendByHour: no connection to the cloud" in hours.errors


async def test_a_terminal_without_unicode_gets_plain_bars(store: SimulatedStore, command: Any) -> None:
    shown = await command("flow", "history", "--from", str(DAY), PYTHONIOENCODING="ascii")
    assert shown.status == 0, shown.errors
    lines = [line for line in shown.output.splitlines() if line.rstrip().endswith("#")]
    assert len(lines) > 12


async def test_wrong_arguments_are_refused(store: SimulatedStore, command: Any) -> None:
    wrong = await command("flow", "history", "--from", "yesterday")
    assert (wrong.status, wrong.output) == (2, "")
    backwards = await command("flow", "history", "--from", "2020-01-02", "--to", "2020-01-01", "--json")
    assert (backwards.status, json.loads(backwards.output)["code"]) == (1, "invalid_request")
    assert backwards.errors == "sunmi-gateway: to: must not be before from\n"
    unknown = await command("flow", "today", "--shop-id", "77")
    assert (unknown.status, unknown.output) == (1, "")
    assert "5041" in unknown.errors
