"""The settings that are changed in the console."""

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from gateway.app import Gateway
from gateway.changed_settings import CHANGEABLE, load_all_settings, read_changes, write_changes
from gateway.desired_settings import DesiredSettings, write_desired
from gateway.doctor.changed_settings import check_changed_settings
from gateway.doctor.check import CheckContext
from tests.api.conftest import gateway, store  # noqa: F401  fixtures
from tests.chromium import DESKTOP
from tests.console.conftest import Console, open_browser_session

FORM = {
    "provisioning.ssid": "shop",
    "cloud.shop_id": "<b>7</b>",
    "cloud.sunmi_shop_no": "",
    "discovery.methods": "mdns",
    "discovery.interfaces": "",
    "discovery.addresses": "192.168.1.20\r\n\r\n192.168.1.21",
    "discovery.interval_s": "30",
    "video.max_streams": "2",
    "outbox.max_bytes": "536870912",
}


@pytest.fixture(autouse=True)
def settings_file(console: Console, tmp_path: Path) -> Path:
    console.gateway.settings_file = tmp_path / "gateway.toml"
    return tmp_path / "gateway.toml"


def second(gateway: Gateway) -> Path:  # noqa: F811
    return gateway.directory.path / "settings.toml"


async def test_changes_are_written_shown_and_undone(console: Console, settings_file: Path) -> None:
    await console.sign_in()
    csrf = await console.csrf()
    response, html = await console.post(
        "shop/settings", csrf=csrf, **FORM | {"provisioning.password": " hush hush", "storage.directory": "/x"}
    )
    assert response.status == 303, html
    settings, problem = load_all_settings(settings_file)
    assert problem == ""
    assert settings.cloud.shop_id == "<b>7</b>"
    assert settings.provisioning.password == " hush hush"
    assert settings.discovery.addresses == ["192.168.1.20", "192.168.1.21"]
    assert settings.discovery.methods == ["mdns"]
    assert settings.storage == console.gateway.settings.storage
    assert ("video", "max_streams") not in read_changes(second(console.gateway))
    _, html = await console.get("shop/settings")
    assert "<b>7</b>" not in html
    assert "hush" not in html
    assert "changed on this page" in html
    assert "other settings than those shown here" in html
    [change] = (await console.gateway.audit.read())[0]
    assert change.action == "Change settings"
    [finding] = await check_changed_settings(CheckContext(settings, None))
    assert finding.status == "ok"
    response, _ = await console.post("shop/settings/reset", csrf=csrf)
    assert response.status == 303
    assert read_changes(second(console.gateway)) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [("video.max_streams", "17"), ("discovery.methods", "telepathy"), ("discovery.addresses", "a b"),
     ("provisioning.ssid", "x" * 33), ("discovery.interval_s", "soon")],
)  # fmt: skip
async def test_a_wrong_value_is_named_and_nothing_is_written(console: Console, name: str, value: str) -> None:
    await console.sign_in()
    response, html = await console.post("shop/settings", csrf=await console.csrf(), **FORM | {name: value})
    assert response.status == 400
    assert name in html
    assert not second(console.gateway).exists()


async def test_what_the_environment_sets_is_not_changed_here(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUNMI_GATEWAY__CLOUD__SHOP_ID", "5")
    await console.sign_in()
    await console.post("shop/settings", csrf=await console.csrf(), **FORM)
    assert ("cloud", "shop_id") not in read_changes(second(console.gateway))
    _, html = await console.get("shop/settings")
    assert "set by the environment" in html


@pytest.fixture
def fleet_section(settings_file: Path) -> None:
    names = ("shop", "ca_file", "certificate", "private_key", "user_jwt")
    lines = "".join(f'{name} = "a"\n' for name in names)
    settings_file.write_text(f'[fleet]\nservers = ["127.0.0.1:1"]\n{lines}')


@pytest.mark.usefixtures("fleet_section")
async def test_what_the_head_office_sets_is_shown_and_not_changed_here(console: Console) -> None:
    write_changes(second(console.gateway), {("cloud", "shop_id"): "own"})
    desired = DesiredSettings(member="a of a chain", settings={"cloud.shop_id": "of the office"})
    write_desired(console.gateway.directory.path / "head-office-settings.json", desired)
    await console.sign_in()
    await console.post("shop/settings", csrf=await console.csrf(), **FORM | {"video.max_streams": "4"})
    changes = read_changes(second(console.gateway))
    assert (changes["cloud", "shop_id"], changes["video", "max_streams"]) == ("own", 4)
    _, html = await console.get("shop/settings")
    assert "set by the head office" in html
    assert re.search(r'name="cloud.shop_id"[^>]* value="of the office"[^>]* disabled', html)


async def test_a_damaged_file_is_said_by_the_doctor_and_replaced_by_the_next_change(console: Console) -> None:
    second(console.gateway).write_text("[cloud", encoding="utf-8")
    [finding] = await check_changed_settings(CheckContext(console.gateway.settings, console.gateway))
    assert finding.status == "warning"
    await console.sign_in()
    response, _ = await console.get("shop/settings")
    assert response.status == 200
    await console.post("shop/settings", csrf=await console.csrf(), **FORM)
    assert read_changes(second(console.gateway))


async def test_it_is_restarted_only_where_something_starts_it_again(console: Console) -> None:
    await console.sign_in()
    csrf = await console.csrf()
    response, _ = await console.post("shop/settings/restart", csrf=csrf)
    assert response.status == 409
    ended = asyncio.Event()
    console.gateway.restart = ended.set
    response, _ = await console.post("shop/settings/restart", csrf=csrf)
    assert response.status == 303
    await ended.wait()


async def test_only_administrators_see_and_change_them(console: Console) -> None:
    await console.sign_in("installer")
    assert (await console.get("shop/settings"))[0].status == 403
    csrf = await console.csrf()
    for path in ("", "/reset", "/restart"):
        assert (await console.post(f"shop/settings{path}", csrf=csrf, **FORM))[0].status == 403


async def test_fields_are_as_wide_as_each_other_and_buttons_stand_below_them(
    console: Console, browser: Browser
) -> None:
    _, page = await open_browser_session(browser, console, viewport=DESKTOP)
    await page.goto(f"{console.url}console/shop/settings")
    for place in ("#setting-1", ".quantity"):
        box = await page.locator(place).first.bounding_box()
        assert box is not None
        assert box["width"] <= 641, place  # 40rem
    await page.goto(f"{console.url}console/shop/backup")
    form = page.locator("form:has(#restore-file)")
    field, button = await form.locator("#restore-file").bounding_box(), await form.locator("button").bounding_box()
    assert field is not None
    assert button is not None
    assert button["y"] >= field["y"] + field["height"]


async def test_a_person_changes_a_setting(console: Console, browser: Browser) -> None:
    write_changes(second(console.gateway), {("provisioning", "ssid"): "old"})
    _, page = await open_browser_session(browser, console)
    await page.goto(f"{console.url}console/shop/settings")
    await page.get_by_label("Wi-Fi of the cameras").fill("new")
    await page.get_by_label("mDNS").uncheck()
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Saved. It holds after a restart")).to_be_visible()
    await expect(page.get_by_label("Wi-Fi of the cameras")).to_have_value("new")
    await expect(page.get_by_label("mDNS")).not_to_be_checked()
    changes = read_changes(second(console.gateway))
    assert changes["provisioning", "ssid"] == "new"
    assert changes["discovery", "methods"] == ["broadcast", "sweep"]


def test_nothing_that_leads_elsewhere_or_decides_on_trust_may_be_changed() -> None:
    keys = {one.key for one in CHANGEABLE}
    assert not keys & {"base_url", "public_url", "camera_url", "ca_file", "directory", "secret_key", "hosts", "host"}
    assert not any(one.key.endswith(("_file", "_url", "_hosts")) for one in CHANGEABLE)


async def test_sizes_and_durations_are_filled_in_with_a_unit(console: Console) -> None:
    await console.sign_in("admin")
    _, html = await console.get("shop/settings")
    assert re.search(r'name="outbox.max_bytes"[^>]* value="512"', html)
    assert '<option value="MB" selected>' in html
    assert re.search(r'name="discovery.interval_s"[^>]* value="', html)
    units = {"outbox.max_bytes": "1.5", "outbox.max_bytes.unit": "GB"}
    units |= {"discovery.interval_s": "2", "discovery.interval_s.unit": "min"}
    response, _ = await console.post("shop/settings", **FORM | units, csrf=await console.csrf())
    assert response.status == 303
    text = (console.gateway.directory.path / "settings.toml").read_text()
    assert "max_bytes = 1610612736" in text
    assert "interval_s = 120" in text
    _, html = await console.get("shop/settings")
    assert re.search(r'name="outbox.max_bytes"[^>]* value="1536"', html)
    units = {"outbox.max_bytes": "many", "outbox.max_bytes.unit": "GB"}
    response, html = await console.post("shop/settings", **FORM | units, csrf=await console.csrf())
    assert response.status == 400
    assert 'value="many"' in html
