"""The docking demonstration: each step ticked off with evidence, its failures with advice, and what survives."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_args

import pytest

from gateway.shop.demonstration.steps import (
    DEMONSTRATION_CODES,
    DEMONSTRATION_STEPS,
    OwnDemonstrationReason,
    get_advice,
)
from gateway.shop.steps import ADVICE
from tests.search import manage
from tests.shop.conftest import Site, open_site
from tests.waiting import until

DEMONSTRATION = "/api/v1/demonstration"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """Give a shop whose first camera, which reports faces, is managed, with somebody who walks past it."""
    async with open_site(tmp_path, max_streams=2, event_wait_s=20) as opened:
        await manage(opened.gateway, opened.store.cameras[0])
        yield opened


async def end(site: Site) -> dict[str, Any]:
    await until(lambda: not site.gateway.demonstration.is_running)
    document: dict[str, Any] = (await site.rest("GET", DEMONSTRATION)).body
    return document


async def demonstrate(site: Site, **body: Any) -> dict[str, Any]:
    started = await site.rest("POST", DEMONSTRATION, body)
    assert started.status == 202, started.body
    return await end(site)


def states(document: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    return {step["code"]: (step["state"], step["reason"]) for step in document["steps"]}


def evidence(document: dict[str, Any], code: str) -> dict[str, str]:
    step = next(one for one in document["steps"] if one["code"] == code)
    return {one["name"]: one["value"] for one in step["evidence"]}


def test_every_reason_has_advice_at_every_step() -> None:
    reasons = [*ADVICE, *get_args(OwnDemonstrationReason)]
    assert all(get_advice(code, reason) for code in DEMONSTRATION_CODES for reason in reasons)
    assert [step.code for step in DEMONSTRATION_STEPS] == list(DEMONSTRATION_CODES)
    assert [step.chapter for step in DEMONSTRATION_STEPS][:4] == ["9.1", "9.2", "9.3", "9.4"]


async def test_each_step_is_ticked_off_with_evidence(site: Site) -> None:
    first = site.store.cameras[0]
    would = await site.rest("POST", DEMONSTRATION, {"dry_run": True})
    assert (would.status, would.body["sn"], len(would.body["steps"])) == (200, first.sn, 8)
    assert (await site.rest("GET", DEMONSTRATION)).status == 404
    document = await demonstrate(site)
    assert (document["state"], document["ticked"], document["sn"]) == ("done", 8, first.sn), document
    assert states(document) == dict.fromkeys(DEMONSTRATION_CODES, ("done", None))
    assert evidence(document, "shop")["shop"] == site.store.shop_id
    assert first.sn in evidence(document, "shop")["shop_cameras"]
    assert evidence(document, "network")["address"].startswith("127.20.")
    assert evidence(document, "configure").keys() == {"settings", "door_line"}
    assert evidence(document, "flow")["customers"].isdigit()
    assert evidence(document, "event")["event"] == "face.seen"
    assert "face_id" not in json.dumps(document), "nothing about a person is kept"
