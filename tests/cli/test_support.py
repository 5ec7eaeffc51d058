"""The support bundle: what it holds, and that no secret is in it."""

import json
import sqlite3
import stat
import tarfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from gateway.simulator.store import SimulatedStore
from gateway.support.bundle import collect_versions
from gateway.support.stored_secrets_table import load_stored_secrets

PLANTED = {
    "secret_key": "Sg7 kd/sofk+dsnf",
    "camera secret": 'cam"secret-9931',
    "p12 password": "pässwörd-of-p12",
    "Wi-Fi password": "plenty-of-coffee-77",
    "activation number": "80000000000000000417",
    "webhook secret": "whsec_bG9uZy1lbm91Z2g=",
    "a customer": "Mrs. Ophelia Nightingale",
    "an unknown password": "hunter2-nobody-knows",
    "a private key": "MIGHAgEAMBMGByqGSM49",
    "the authority's key": "root-key-of-the-authority",
}


def bundle_of(file: Path) -> dict[str, str]:
    with tarfile.open(file) as archive:
        texts = {}
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None
            texts[member.name.removeprefix("sunmi-gateway-support/")] = content.read().decode()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    return texts


def toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def plant(command: Any, tmp_path: Path, token: str) -> Path:
    """Put secrets into every place that can hold one; return a log that holds them all."""
    text = command.config.read_text()
    text = text.replace("[cameras]\n", f'[cameras]\napp_id = "CAM"\nsecret_key = {toml(PLANTED["camera secret"])}\n')
    text = text.replace("[cameras]\n", f"[cameras]\nclient_certificate_password = {toml(PLANTED['p12 password'])}\n")
    command.config.write_text(text)
    (tmp_path / "state" / "root.key").write_text(PLANTED["the authority's key"])
    job = {"request": {"password": PLANTED["Wi-Fi password"], "activation_number": PLANTED["activation number"]}}
    database = sqlite3.connect(tmp_path / "state" / "gateway.db")
    database.execute("INSERT INTO provisioning_job VALUES ('FS101D8BS00002', ?)", (json.dumps(job),))
    hook = ("w1", "till", "http://127.0.0.1:1/", PLANTED["webhook secret"], "", "", 0, 0)
    database.execute("INSERT INTO webhook VALUES (?, ?, ?, ?, ?, ?, ?, ?)", hook)
    database.execute(
        "INSERT INTO label (account, name, esl_id, esl_code, model, content, product_id, template, changes, "
        "pixel_hash, reports, state, problem, shown_hash, changed_at, reading) VALUES (1, 'SKDI39DN', '', '', 'SL121', "
        "'product', '1', 'price', 0, '', '[]', 'failed', '\"no list has the product\"', '', 0, '{\"battery\": 9}')"
    )
    database.commit()
    database.close()
    known = [PLANTED[name] for name in list(PLANTED)[:6]]
    lines = ["INFO gateway started"]
    for secret in known:
        lines += [
            f"plain {secret} end",
            f"json {json.dumps(secret)}",
            f"form a={quote(secret)}&b=1",
            f"repr {secret!r}",
        ]
    lines += [
        f"Authorization: Bearer {token}",
        f"GET /?x={token}",
        f'{{"password": "{PLANTED["an unknown password"]}"}}',
        f"wifi_password={PLANTED['an unknown password']} ssid=shop",
        f"-----BEGIN PRIVATE KEY-----\n{PLANTED['a private key']}\n-----END PRIVATE KEY-----",
        "INFO gateway ended",
    ]
    log = tmp_path / "gateway.log"
    log.write_text("\n".join(lines))
    return log


async def test_no_planted_secret_is_in_it(store: SimulatedStore, command: Any, tmp_path: Path) -> None:
    secret = {"SUNMI_GATEWAY__CLOUD__SECRET_KEY": PLANTED["secret_key"]}
    token = (await command("token", "create", "--scope", "admin", "--name", "till 1")).output.strip()
    await store.cloud.stop()
    queued = f'order_list=[{{"order_no":"CN77001","member":"{PLANTED["a customer"]}"}}]'
    assert (await command("cloud", "call", "order/update", queued)).status == 0
    log = plant(command, tmp_path, token)
    assert len(load_stored_secrets(tmp_path / "state" / "gateway.db")) == 3
    file = tmp_path / "bundle.tar.gz"
    done = await command("support-bundle", str(file), "--log", str(log), "--json", **secret)
    assert done.status == 0, done.errors
    texts = bundle_of(file)
    assert sorted(texts) == sorted(done.json["files"]) == [
        "cameras.json", "database.json", "doctor.json", "log.txt", "outbox.json", "settings.json", "status.json",
        "versions.json",
    ]  # fmt: skip
    everything = "\n".join(texts.values()) + done.output + done.errors
    for name, planted in {**PLANTED, "token": token}.items():
        for writing in {planted, quote(planted), json.dumps(planted)[1:-1]}:
            assert writing not in everything, name

    assert "INFO gateway started" in texts["log.txt"]
    assert "ssid=shop" in texts["log.txt"]
    assert texts["log.txt"].endswith("INFO gateway ended")
    settings = json.loads(texts["settings.json"])["settings"]
    assert settings["cloud"]["app_id"] == store.app_id
    assert settings["cloud"]["secret_key"] == settings["cameras"]["secret_key"] == "********"
    [waiting] = json.loads(texts["outbox.json"])["waiting"]
    assert (waiting["path"], waiting["state"]) == ("order/update", "waiting")
    assert "parameters" not in waiting
    assert json.loads(texts["database.json"])["rows"]["provisioning_job"] == 1
    assert json.loads(texts["database.json"])["outbox"][0]["items"] == 1
    assert json.loads(texts["database.json"])["labels"] == {
        "states": {"failed": 1},
        "problems": {
            "failed": {"labels": 1, "label": "SKDI39DN", "reason": "no list has the product"},
            "low_battery": {"labels": 1, "label": "SKDI39DN", "reason": ""},
        },
    }
    assert json.loads(texts["status.json"])["outbox"]["depth"] == 1
    assert {one["check"] for one in json.loads(texts["doctor.json"])["findings"]} >= {"settings", "outbox"}


async def test_from_a_running_gateway(running: str, command: Any, tmp_path: Path) -> None:
    file = tmp_path / "bundle.tar.gz"
    done = await command("support-bundle", str(file))
    assert done.status == 0, done.errors
    texts = bundle_of(file)
    assert json.loads(texts["status.json"])["uptime_s"] > 0
    assert json.loads(texts["versions.json"])["packages"]["aiohttp"]
    again = await command("support-bundle", str(file))
    assert (again.status, "exists" in again.errors) == (1, True)


def test_an_optional_package_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = ["aiohttp>=3.14", 'no-such-package>=3; extra == "photo"']
    monkeypatch.setattr("importlib.metadata.requires", lambda _: declared)
    packages = collect_versions()["packages"]
    assert (packages.keys(), packages["no-such-package"]) == ({"aiohttp", "no-such-package"}, None)


async def test_with_settings_that_cannot_be_used(command: Any, tmp_path: Path) -> None:
    text = command.config.read_text().replace("[cameras]\n", "[camera]\n")
    command.config.write_text(text)
    log = tmp_path / "gateway.log"
    secret = next(line.split('"')[1] for line in text.splitlines() if line.startswith("secret_key"))
    log.write_text(f"it is {secret}")
    file = tmp_path / "bundle.tar.gz"
    done = await command("support-bundle", str(file), "--log", str(log))
    assert done.status == 0, done.errors
    texts = bundle_of(file)
    assert "camera" in json.loads(texts["settings.json"])["error"]
    assert texts["log.txt"] == "it is ********"


async def test_a_log_that_is_not_there(command: Any, tmp_path: Path) -> None:
    done = await command("support-bundle", str(tmp_path / "bundle.tar.gz"), "--log", "/nowhere/gateway.log")
    assert (done.status, "/nowhere/gateway.log" in done.errors) == (1, True)
