"""A whole shop from the command line: a list is checked, shown, and run."""

from pathlib import Path

import pytest

from gateway.cli.shop import describe_work
from gateway.simulator.store import SimulatedStore
from tests.cli.conftest import Commands


@pytest.fixture
def plan(store: SimulatedStore, tmp_path: Path) -> Path:
    """Save a list of both cameras, which are on Ethernet."""
    first, second = store.cameras
    second.state.cable, second.state.hotspot = True, False
    file = tmp_path / "plan.csv"
    number = store.activation_numbers[second.sn]
    file.write_text(
        f"序列号;激活码;名称;位置;备注\n{first.sn};;Entrance;door;x\n{second.sn};{number};Till;till 1;\n",
        encoding="gb18030",
    )
    return file


@pytest.fixture(autouse=True)
def without_waiting(command: Commands) -> None:
    """Let no event be waited for, and no picture be taken."""
    text = command.config.read_text(encoding="utf-8")
    text += "[provisioning]\nevent_wait_s = 0\n[video]\nmax_streams = 0\n"
    command.config.write_text(text, encoding="utf-8")


async def test_faults_are_named_by_line_and_column(command: Commands, store: SimulatedStore, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("sn,激活码,zoom\nFM1,9.08E+13,900\n", encoding="utf-8")
    done = await command("shop", "check", str(bad))
    assert done.status == 1
    assert [line.split(": ")[0] for line in done.output.splitlines()] == [
        "line 2, column 激活码",
        "line 2, column zoom",
    ]
    assert "2 faults; nothing was sent" in done.errors
    assert not any(camera.requests for camera in store.cameras)


async def test_words_are_those_of_the_language(command: Commands, running: str, plan: Path) -> None:
    refused = await command("shop", "run", str(plan), "--no-input", LANG="zh_CN.UTF-8")
    assert "1 台摄像机将失去人脸分组" in refused.errors
    shown = await command("shop", "status", LANG="zh_CN.UTF-8")
    assert "待处理" in shown.output
    assert "pending" not in shown.output


async def test_a_plan_is_run_after_one_confirmation(command: Commands, store: SimulatedStore, plan: Path) -> None:
    assert (await command("shop", "run", str(plan), "--dry-run")).status == 0
    assert (await command("shop", "status")).status == 1, "a dry run keeps no list"
    refused = await command("shop", "run", str(plan), "--no-input")
    assert (refused.status, "1 camera would lose its face groups" in refused.errors) == (1, True)
    would = await command("shop", "run", str(plan), "--dry-run", "--json")
    assert (would.status, would.json["erases"], len(would.json["cameras"])) == (0, 1, 2)
    assert not any(camera.requests for camera in store.cameras)

    done = await command("shop", "run", str(plan), "--yes")
    assert done.status == 0, done.errors
    assert [camera.state.name for camera in store.cameras] == ["Entrance", "Till"]
    assert store.cameras[1].state.activated
    assert "ignored: column '备注'" in done.errors
    number = store.activation_numbers[store.cameras[1].sn]
    assert number not in done.output + done.errors
    shown = await command("shop", "status", "--json")
    assert shown.json["state"] == "done"
    assert (await command("shop", "forget")).status == 0
    assert (await command("shop", "status")).status == 1


async def test_a_camera_that_is_not_done_fails_the_command(
    command: Commands, running: str, store: SimulatedStore, plan: Path
) -> None:
    store.cameras[0].faults.add("refuse", path="config/updateName", code=118, times=None)
    done = await command("shop", "run", str(plan), "--yes", "--json")
    assert done.status == 1
    assert (done.json["counts"]["done"], done.json["counts"]["failed"]) == (1, 1)
    (advice,) = [one["advice"] for one in done.json["cameras"][0]["steps"] if one["state"] == "failed"]
    assert f"→ {advice}" in done.errors, "what to do stands below the reason"
    assert "--only failed" in done.errors
    assert "cameras that are not done: 1 of 2" in done.errors
    assert "looking for the cameras on the network" in done.errors
    store.cameras[0].faults.clear()
    again = await command("shop", "run", str(plan), "--only", "failed")
    assert again.status == 0, again.errors


async def test_the_sheet_of_a_shop(
    command: Commands, running: str, store: SimulatedStore, plan: Path, tmp_path: Path
) -> None:
    missing = await command("shop", "sheet")
    assert (missing.status, "hand one over in the console" in missing.errors) == (1, True)
    assert (await command("shop", "run", str(plan), "--yes")).status == 0
    shown = await command("shop", "sheet")
    assert shown.status == 0, shown.errors
    assert [line.split()[:2] for line in shown.output.splitlines()[1:3]] == [
        [str(row), camera.sn] for row, camera in enumerate(store.cameras, start=2)
    ]
    assert "Entrance" in shown.output
    unchanged = await command("shop", "sheet", "--verify")
    assert "nothing has changed since the run" in unchanged.output

    store.cameras[0].state.config.name = "Somebody else's"
    changed = await command("shop", "sheet", "--verify")
    assert f'{store.cameras[0].sn} name: is "Somebody else\'s"' in changed.errors
    in_file = await command("shop", "sheet", "--verify", str(tmp_path / "verified.html"))
    assert f"{store.cameras[0].sn} name: is " in in_file.errors, "nobody need open the page"
    as_json = await command("shop", "sheet", "--verify", "--json")
    assert [one["step"] for one in as_json.json["cameras"][0]["changes"]] == ["name"]
    assert (await command("shop", "sheet", "--pictures")).status == 1, "the settings allow none"

    file = tmp_path / "sheet.html"
    written = await command("shop", "sheet", str(file))
    assert (written.status, f"{file} is written" in written.output) == (0, True)
    page = file.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert file.stat().st_mode & 0o777 == 0o600
    assert all(camera.sn in page for camera in store.cameras)
    unwritable = await command("shop", "sheet", str(file / "within.html"))
    assert (unwritable.status, "cannot be written" in unwritable.errors) == (1, True)


async def test_a_demonstration_is_printed_step_by_step_and_exported(
    command: Commands, running: str, store: SimulatedStore, tmp_path: Path
) -> None:
    """Show the only camera that reports faces; without a customer its event is a warning."""
    first = store.cameras[0]
    assert (await command("cameras", "add", first.sn, "--address", first.host)).status == 0
    would = await command("shop", "demonstrate", "--dry-run", "--json")
    assert (would.status, would.json["sn"], len(would.json["steps"])) == (0, first.sn, 8), would.errors
    record = tmp_path / "record.html"
    done = await command("shop", "demonstrate", "--record", str(record), LANG="zh_CN.UTF-8")
    assert done.status == 0, done.errors
    lines = done.output.splitlines()
    assert [line[:5] for line in lines if line[:1] in "✓!"] == [
        *("✓ 9.1", "✓ 9.2", "✓ 9.3", "✓ 9.4", "! 9.5", "✓ 9.6", "✓ 9.7", "! 9.7")
    ]
    assert "对接演示" in record.read_text(encoding="utf-8")
    assert record.stat().st_mode & 0o777 == 0o600

    store.cloud.faults.add("refuse", path="device/ipc/getList", code=5041, times=None)
    failed = await command("shop", "demonstrate", first.sn, "--json")
    assert (failed.status, failed.json["state"]) == (1, "failed")
    assert "not ticked off: 3 of 8 steps" in failed.errors


def test_a_run_says_what_is_under_way() -> None:
    steps = [["done", "running"], ["running", "pending"], ["running", "pending"]]
    cameras = [
        {"steps": [{"name": name, "state": state} for name, state in zip(("find", "event"), states, strict=True)]}
        for states in steps
    ]
    said = describe_work({"cameras": cameras, "counts": {"done": 0}})
    assert said == "cameras that are done: 0 of 3; under way: event (1), find (2)"
