"""The backup and the support bundle as downloads."""

import asyncio
import json
import tarfile
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request
from playwright.async_api import Browser, expect

from gateway.app import Gateway
from gateway.audit.change import Change
from gateway.backup import archive
from gateway.console.site_page import is_private
from tests.console.conftest import Console, open_browser_session


async def read_change(gateway: Gateway) -> Change:
    """Wait for the first change in the audit log, which is recorded after a download has ended."""
    while not (changes := (await gateway.audit.read())[0]):
        await asyncio.sleep(0.005)
    return changes[0]


async def test_a_backup_is_downloaded_whole_and_nothing_of_it_is_left(
    console: Console, browser: Browser, tmp_path: Path
) -> None:
    console.gateway.settings_file = tmp_path / "gateway.toml"
    await console.gateway.tokens.create("till 1", "pos")
    left = console.gateway.directory.path / "download-killed"
    left.mkdir()
    (left / "backup.tar.gz").write_bytes(b"of a gateway that was killed")
    _, page = await open_browser_session(browser, console)
    await page.goto(f"{console.url}console/shop/backup")
    await expect(page.get_by_text("Version", exact=True)).to_be_visible()
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="Download a backup").click()
    download = await downloading.value
    assert download.suggested_filename.startswith("sunmi-gateway-")
    contents = archive.verify(Path(await download.path()))
    assert contents.settings == (tmp_path / "gateway.toml").read_text(encoding="utf-8")
    change = await read_change(console.gateway)
    assert not list(console.gateway.directory.path.glob("download-*"))
    assert (change.who, change.action) == ("browser", "Download a backup")


@pytest.mark.parametrize(
    ("scheme", "remote", "private"),
    [
        ("http", "127.0.0.1", True),
        ("http", "::1", True),
        ("https", "192.168.1.7", True),
        ("http", "192.168.1.7", False),
        ("http", "fe80::1", False),
        ("http", "", False),
    ],
)
def test_over_plain_http_a_person_has_to_say_that_nobody_reads_along(scheme: str, remote: str, private: bool) -> None:
    request = make_mocked_request("POST", "/console/shop/backup").clone(scheme=scheme, remote=remote)
    assert is_private(request) is private


@pytest.mark.parametrize("path", ["shop/backup", "shop/support-bundle"])
async def test_only_administrators_get_one(console: Console, path: str) -> None:
    await console.sign_in("installer")
    response, _ = await console.post(path, csrf=await console.csrf())
    assert response.status == 403


def write_journal(folder: Path, *lines: str) -> None:
    """Write a `journalctl` that prints these lines."""
    folder.mkdir()
    command = folder / "journalctl"
    command.write_text("\n".join(["#!/bin/sh", "cat <<'END'", *lines, "END", ""]), encoding="utf-8")
    command.chmod(0o755)


def read_bundle(file: Path) -> dict[str, str]:
    with tarfile.open(file) as archive:
        contents = {Path(one.name).name: archive.extractfile(one) for one in archive}
        return {name: content.read().decode() for name, content in contents.items() if content is not None}


async def test_a_support_bundle_without_secrets_is_downloaded_and_nothing_of_it_is_left(
    gateway: Gateway,
    console: Console,
    browser: Browser,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gateway.settings_file = tmp_path / "gateway.toml"
    token = await gateway.tokens.create("till 1", "pos")
    job = {"request": {"password": "plenty-of-coffee-77", "activation_number": "80000000000000000417"}}
    await gateway.database.execute("INSERT INTO provisioning_job VALUES ('FS101D8BS00002', ?)", (json.dumps(job),))
    hook = ("w1", "till", "http://127.0.0.1:1/", "whsec_bG9uZy1lbm91Z2g=", "", "", 0, 0)
    await gateway.database.execute("INSERT INTO webhook VALUES (?, ?, ?, ?, ?, ?, ?, ?)", hook)
    secrets = [*gateway.settings.secrets, token, "plenty-of-coffee-77", "80000000000000000417", hook[3]]
    write_journal(tmp_path / "bin", "INFO gateway started", *(f"it is {secret} here" for secret in secrets))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    _, page = await open_browser_session(browser, console)
    await page.goto(f"{console.url}console/shop/backup")
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="Download a support bundle").click()
    download = await downloading.value
    assert download.suggested_filename.startswith("sunmi-gateway-support-")
    texts = read_bundle(Path(await download.path()))
    assert sorted(texts) == [
        "cameras.json", "database.json", "doctor.json", "log.txt", "outbox.json", "settings.json", "status.json",
        "versions.json",
    ]  # fmt: skip
    everything = "\n".join(texts.values())
    assert secrets
    assert [secret for secret in secrets if secret in everything] == []
    assert "INFO gateway started" in texts["log.txt"]
    assert json.loads(texts["status.json"])["uptime_s"] > 0
    assert json.loads(texts["outbox.json"]) == {"waiting": [], "refused": [], "expired": []}
    assert "outbox" in {one["check"] for one in json.loads(texts["doctor.json"])["findings"]}
    change = await read_change(gateway)
    assert not list(gateway.directory.path.glob("download-*"))
    assert (change.who, change.action) == ("browser", "Download a support bundle")
