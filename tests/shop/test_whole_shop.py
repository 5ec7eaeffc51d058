"""A shop of forty cameras, each of which takes its time: they are set up together, and no camera holds another."""

import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gateway.cameras.provisioning import StepTimeouts
from gateway.shop.pictures import MOMENTS
from gateway.simulator.camera import SimulatedCamera
from tests.shop.conftest import PLAN, Site, failures, open_site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

IS_FULL = os.environ.get("FULL_PROOFS") == "1"
CAMERAS = 40 if IS_FULL else 12
LATENCY_S = 0.18
"""With it, the steps of one camera alone take about eight seconds."""
SETTINGS = {"zoom": 120, "irmode": 1, "rotation": 180, "motion_level": 3, "led_switch": 0}


async def run(site: Site, plan: dict[str, Any]) -> tuple[dict[str, Any], float]:
    """Run a plan to its end; return it, and how many seconds that took."""
    put = await site.rest("PUT", PLAN, plan)
    assert put.status == 200, put.body
    began = time.monotonic()
    document = await site.run(confirm_erase=put.body["erases"])
    return document, time.monotonic() - began


@pytest.mark.parametrize("pictures", [True, False] if IS_FULL else [True])
async def test_a_whole_shop_takes_three_times_as_long_as_one_camera(tmp_path: Path, *, pictures: bool) -> None:
    max_streams = 2 if pictures else 0
    async with open_site(tmp_path, cameras=CAMERAS + 1, latency_s=LATENCY_S, max_streams=max_streams) as site:
        site.connect_all()
        rows = site.plan(settings=SETTINGS)
        alone = await run(site, {**rows, "cameras": rows["cameras"][1:2]})
        assert failures(alone[0]) == []
        rest = await run(site, {**rows, "cameras": rows["cameras"][2:] + rows["cameras"][1:2]})
        assert failures(rest[0]) == []
        for camera in rest[0]["cameras"]:
            assert [site.gateway.shop_parts.plan_pictures.has(camera["sn"], moment) for moment in MOMENTS[:2]] == [
                pictures,
                pictures,
            ]
        ratio, kind = rest[1] / alone[1], "with" if pictures else "without"
        times = f"one camera {alone[1]:.1f} s, {CAMERAS} cameras {rest[1]:.1f} s: {ratio:.2f} times"
        print(f"site plan {kind} pictures: {times}")  # noqa: T201 - shown in the summary
        if ratio > 3 and os.getloadavg()[0] > 4 * (os.cpu_count() or 1):
            pytest.skip(f"others use the processors: {times}")
        assert ratio <= 3


def break_camera(camera: SimulatedCamera, row: dict[str, Any], kind: int) -> str:
    """Let a camera fail in one of several ways; return the step and the reason that are to be told."""
    match kind % 6:
        case 0:
            camera.state.internet = False
            return "activate no_internet"
        case 1:
            row["activation_number"] = f"7{kind:023}"
            return "activate wrong_activation_number"
        case 2:
            camera.state.activate("somebody else")
            return "activate other_owner"
        case 3:
            camera.faults.add("refuse", path="config/updateName", code=118, times=None)
            return "name refused"
        case 4:
            camera.faults.add("drop", times=None)
            return "find not_reachable"
        case _:
            del row["activation_number"]
            return "activate no_activation_number"


async def test_a_fifth_fails_in_different_ways_and_all_others_are_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_site(tmp_path, cameras=CAMERAS) as site:
        site.connect_all()
        # What may pass is tried for half a minute, not for a whole one.
        monkeypatch.setattr(site.gateway.provisioning, "_timeouts", StepTimeouts(activate_s=30))
        plan = site.plan(settings=SETTINGS)
        expected = {}
        for kind, index in enumerate(range(3, CAMERAS, 5)):
            camera = site.store.cameras[index]
            expected[camera.sn] = break_camera(camera, plan["cameras"][index], kind)
        document, seconds = await run(site, plan)
        told = {}
        for camera in document["cameras"]:
            failed = [f"{step['name']} {step['reason']}" for step in camera["steps"] if step["state"] == "failed"]
            if failed:
                told[camera["sn"]] = failed[0]
                assert all(step["advice"] for step in camera["steps"] if step["state"] == "failed")
        assert told == expected, failures(document)
        assert document["counts"]["done"] == CAMERAS - len(expected)
        print(f"site plan: {CAMERAS} cameras, failures {dict(Counter(expected.values()))}, {seconds:.0f} s")  # noqa: T201 - shown in the summary
