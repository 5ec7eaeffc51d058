"""Commands: with a running gateway and without one, for people and for programs."""

import json
import shutil
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.protocol.catalogue import CATALOGUE
from gateway.simulator.store import WIFI_PASSWORD, WIFI_SSID, SimulatedStore


async def test_an_unusual_certificate_is_shown_and_named(store: SimulatedStore, command: Any) -> None:
    proved, unusual = store.cameras
    assert (await command("cameras", "add", proved.sn, "--address", proved.host)).status == 0
    unusual.faults.changed_certificate = True
    add = ("cameras", "add", unusual.sn, "--address", unusual.host, "--json")
    refused = await command(*add)
    assert refused.status == 1
    shown = refused.json["certificate_sha256"]
    added = await command(*add, "--certificate", shown)
    assert (added.status, added.json["certificate_sha256"]) == (0, shown)


async def test_an_installer_needs_no_service(store: SimulatedStore, command: Any) -> None:
    found = await command("discover", "--json")
    assert found.status == 0, found.errors
    assert {camera["sn"] for camera in found.json["cameras"]} == {camera.sn for camera in store.cameras}
    camera = store.cameras[0]
    assert (await command("cameras", "add", camera.sn)).status == 0
    listed = await command("cameras", "list", "--json")
    assert {one["sn"]: one["managed"] for one in listed.json["cameras"]}[camera.sn] is True
    zoomed = await command("cameras", "call", camera.sn, "config/setZoom", "zoom=200", "--json")
    assert zoomed.json["code"] == 0
    assert camera.state.zoom == 200
    points = await command("cameras", "access-points", camera.sn, "--json")
    assert WIFI_SSID in [point["ssid"] for point in points.json["access_points"]]
    camera.faults.add("malformed_json", flaw="null_entry", path="config/getApList")
    incomplete = await command("cameras", "access-points", camera.sn)
    assert WIFI_SSID in incomplete.output
    assert "left out: 1" in incomplete.errors


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
async def test_a_picture_of_a_camera(running: str, store: SimulatedStore, command: Any, tmp_path: Path) -> None:
    camera, file = store.cameras[0], tmp_path / "door.jpg"
    assert (await command("cameras", "add", camera.sn, "--address", camera.host)).status == 0
    taken = await command("cameras", "snapshot", camera.sn, str(file), "--json")
    assert taken.status == 0, taken.errors
    assert taken.json == {"sn": camera.sn, "file": str(file), "bytes": file.stat().st_size}
    assert file.read_bytes().startswith(b"\xff\xd8")
    assert (await command("cameras", "snapshot", camera.sn, str(tmp_path / "missing" / "x.jpg"))).status == 1
    shown = await command("cameras", "stream", camera.sn, "--json")
    assert shown.json["rtsp_url"].startswith(f"rtsp://{camera.host}:{camera.rtsp.port}/")
    assert "rtsp_url" in (await command("cameras", "stream", camera.sn)).output


async def test_commands_use_the_running_gateway(running: str, store: SimulatedStore, command: Any) -> None:
    token = (await command("token", "create", "--scope", "pos", "--name", "till 1")).output.strip()
    header = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(running) as http:
        async with http.get("/api/v1/status", headers=header) as response:
            assert response.status == 200
        listed = await command("token", "list", "--json")
        assert [one["name"] for one in listed.json["tokens"]] == ["till 1"]
        assert (await command("token", "revoke", "till 1")).status == 0
        async with http.get("/api/v1/status", headers=header) as response:
            assert response.status == 401, "revoking works at once"
    relayed = await command("cloud", "call", "order/update", 'order_list=[{"order_no":"A=1"}]', "--json")
    assert relayed.json["code"] == 0
    assert store.cloud.accepted[0].fields["order_list"] == '[{"order_no":"A=1"}]'


async def test_a_pairing_code_and_where_to_type_it(running: str, command: Any) -> None:
    made = await command("token", "pair")
    assert made.status == 0, made.errors
    assert len(made.output.strip()) == 8
    assert made.errors.splitlines() == ["Type it within 10 minutes at one of these addresses:", f"{running}console/"]


async def test_provisioning_in_one_command(store: SimulatedStore, command: Any) -> None:
    sn, number = next(iter(store.activation_numbers.items()))
    done = await command(
        *("cameras", "provision", sn, "--ssid", WIFI_SSID, "--password", WIFI_PASSWORD),
        *("--activation-number", number, "--confirm-erase", "--name", "Entrance", "--json", "--no-input"),
    )
    assert done.status == 0, done.errors
    assert done.json["state"] == "done"
    assert store.camera(sn).state.activated
    assert store.camera(sn).state.name == "Entrance"
    assert WIFI_PASSWORD not in done.output + done.errors
    assert number not in done.output + done.errors


async def test_a_password_that_nobody_can_be_asked_for_is_missed_at_once(store: SimulatedStore, command: Any) -> None:
    sn = next(iter(store.activation_numbers))
    refused = await command("cameras", "provision", sn, "--ssid", WIFI_SSID, "--no-input")
    assert refused.status == 2
    assert f"--password is missing: the Wi-Fi network {WIFI_SSID} needs one" in refused.errors
    assert not store.camera(sn).requests


async def test_an_empty_list_says_what_that_means(command: Any) -> None:
    shown = await command("outbox", "list")
    assert (shown.status, shown.output) == (0, "")
    assert shown.errors == "the outbox is empty: no call waits, and none was refused\n"
    shown = await command("outbox", "list", "--state", "refused", LANG="zh_CN.UTF-8")
    assert shown.errors == "没有符合条件的条目；不带选项时 `sunmi-gateway outbox list` 显示全部\n"
    assert (await command("outbox", "list", "--json")).json["items"] == []


async def test_a_failed_step_is_named(store: SimulatedStore, command: Any) -> None:
    sn = next(iter(store.activation_numbers))
    store.camera(sn).state.cable, store.camera(sn).state.hotspot = True, False
    failed = await command(
        *("cameras", "provision", sn, "--activation-number", "99999999", "--confirm-erase", "--no-input")
    )
    assert failed.status == 1
    last = failed.errors.splitlines()[-1]
    assert "step activate failed: wrong_activation_number" in last
    assert "99999999" not in failed.errors


async def test_activation_asks_for_confirmation(store: SimulatedStore, command: Any) -> None:
    sn, number = next(iter(store.activation_numbers.items()))
    failed = await command("cameras", "provision", sn, "--activation-number", number, "--no-input")
    assert failed.status == 1
    assert "give --confirm-erase" in failed.errors
    assert not store.camera(sn).state.activated


async def test_signatures(command: Any) -> None:
    example = ("app_id=JO83UNV983U9OR", "random=289192", "sn=FS101D8BS00106", "timestamp=1593029283")
    done = await command("sign", "--key", "12345678", *example, "empty=", "sign=X", "--json")
    assert done.json == {
        "string_to_sign": "&".join([*example, "key=12345678"]),
        "sign": "72CB1C1031D3BA103D2FA1A57E171C2D",
    }
    assert (await command("sign", "--key", "12345678", *example)).output.split()[-1] == done.json["sign"]


async def test_the_catalogue(command: Any) -> None:
    done = await command("catalogue", "--json")
    assert len(done.json["endpoints"]) == len(CATALOGUE.endpoints)


@pytest.mark.parametrize(
    "words", [("--json", "catalogue"), ("catalogue", "--json"), ("catalogue", "--no-input", "--json")]
)
async def test_json_may_stand_anywhere(command: Any, words: tuple[str, ...]) -> None:
    assert (await command(*words)).json["endpoints"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("cameras", "call", "SN", "config/setWarp"), "config/setWarp"),
        (("cloud", "call", "order/update", "nonsense"), "name=value"),
        (("cloud", "call", "order/update", "a=1", "a=2"), "twice"),
        (("cloud", "call", "face/add", "pic=face.png"), "@FILE"),
        (("cloud", "call", "face/add", "pic=@/nowhere/face.png"), "/nowhere/face.png"),
        (("cameras", "trust", "SN"), "--certificate"),
        (("nonsense",), "nonsense"),
        (("token", "create", "--scope", "root", "--name", "x"), "root"),
    ],
)
async def test_wrong_usage_ends_with_2(command: Any, words: tuple[str, ...], reason: str) -> None:
    done = await command(*words)
    assert done.status == 2
    assert reason in done.errors
    assert done.output == ""


async def test_a_failure_is_one_line_and_ends_with_1(command: Any) -> None:
    done = await command("cameras", "show", "NOBODY", "--json")
    assert done.status == 1
    assert done.json["code"] == "not_found"
    assert len(done.errors.splitlines()) == 1
    assert "NOBODY" in done.errors


@pytest.mark.parametrize(
    "words",
    [
        ("support-bundle", "FILE"),
        ("backup", "FILE"),
        ("office", "init", "FILE"),
        ("--config", "FILE", "init", "--environment", "uat", "--app-id", "A", "--shop-id", "1", "--unchecked"),
    ],
    ids=" ".join,
)
async def test_a_file_that_the_system_does_not_let_look_for_is_named(command: Any, words: tuple[str, ...]) -> None:
    name = "x" * 300  # root may look into any folder, but for no such name
    given = [name if word == "FILE" else word for word in words]
    asked = await command(*given, "--no-input", SUNMI_GATEWAY__CLOUD__SECRET_KEY="secret")
    assert (asked.status, "Traceback" in asked.errors) == (1, False)
    assert name in asked.errors.splitlines()[-1]


async def test_a_wrong_setting_is_named(command: Any) -> None:
    done = await command("run", SUNMI_GATEWAY__SERVER__PORT="many")
    assert done.status == 1
    assert "server.port" in done.errors


async def test_a_taken_port_is_named(running: str, command: Any, tmp_path: Path) -> None:
    port = running.rstrip("/").rpartition(":")[2]
    other = {"SUNMI_GATEWAY__STORAGE__DIRECTORY": str(tmp_path / "other")}
    done = await command("run", SUNMI_GATEWAY__SERVER__PORT=port, **other)
    assert done.status == 1
    assert f"127.0.0.1:{port}" in done.errors
    assert "server.port" in done.errors


async def test_a_second_gateway_is_refused(running: str, command: Any, tmp_path: Path) -> None:
    done = await command("run")
    assert done.status == 1
    assert str(tmp_path / "state") in done.errors


async def test_a_file_is_sent(store: SimulatedStore, command: Any, tmp_path: Path) -> None:
    picture = tmp_path / "face.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    groups = await command("cloud", "call", "face/group/getList", "--json")
    group = groups.json["data"]["group_list"][0]["group_id"]
    done = await command("cloud", "call", "face/add", f"group_id={group}", "name=M=i&ke", f"pic=@{picture}", "--json")
    assert done.status == 0, done.errors
    assert store.cloud.accepted[-1].files["pic"].data == picture.read_bytes()
    assert store.cloud.accepted[-1].fields["name"] == "M=i&ke"


async def test_secrets_stay_out_of_every_message(command: Any, store: SimulatedStore) -> None:
    done = await command("cloud", "call", "order/update", "order_list=[]", "--json")
    assert done.status == 1
    assert store.secret_key not in done.output + done.errors
    assert json.loads(done.output)["code"] == "invalid_request"


async def test_a_camera_is_captured_without_its_secrets(store: SimulatedStore, command: Any, tmp_path: Path) -> None:
    camera = store.cameras[0]
    await command("discover", "--method", "broadcast", "--timeout", "0.5")
    await command("cameras", "add", camera.sn)
    file = tmp_path / "capture.json"
    done = await command("cameras", "capture", camera.sn, "--output", str(file))
    assert done.status == 0, done.errors
    text = file.read_text(encoding="utf-8")
    assert json.loads(text)["model"] == camera.state.model
    assert camera.sn not in text
    assert camera.state.mac not in text
