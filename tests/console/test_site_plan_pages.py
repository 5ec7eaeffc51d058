"""A whole shop in the console: list, faults, dry run, confirmation, progress, and only the failed ones again."""

import io
import re

import aiohttp
import pytest
from openpyxl import Workbook
from playwright.async_api import Browser, FilePayload, Page, expect
from yarl import URL

from firmware_tools.language import Language, message
from gateway.cameras.provisioning import StepTimeouts
from gateway.cli.fault_option import control_faults
from gateway.console.site_plan_list import describe_fault
from gateway.console.site_plan_run import estimate_minutes
from gateway.console.site_plan_texts import EXAMPLE_LISTS
from gateway.errors import FieldError
from gateway.settings import ProvisioningSettings
from gateway.shop.plan import WifiNetwork
from gateway.shop.plan_reader import read_list
from gateway.simulator.store import WIFI_PASSWORD, WIFI_SSID, SimulatedStore
from tests.console.conftest import Console, open_browser_session
from tests.search import find
from tests.shop.conftest import people
from tests.shop.test_hotspot_walk import SimulatedHotspots, hide

HOSTILE = '<img src=x onerror="document.title=1">'


def make_list(store: SimulatedStore, *, wrong_number: bool = False, bad_mac: bool = False) -> str:
    """Return a list as a spreadsheet puts it on the clipboard."""
    lines = ["sn\tmac\tactivation_number\tname\tplace"]
    for index, camera in enumerate(store.cameras):
        number = store.activation_numbers.get(camera.sn, "")
        if index == 1:
            number = "9.08E+13" if bad_mac else "8" * 24 if wrong_number else number
        mac = "04:12" if bad_mac and index == 2 else ""
        lines.append(f"{camera.sn}\t{mac}\t{number}\tCamera {index + 1}\t{HOSTILE if index == 0 else 'aisle'}")
    return "\n".join(lines)


def test_a_fault_is_of_a_line_and_a_column() -> None:
    reason = message("line {line}, column {column}: {reason}", line=3, column="激活码", reason=message("is required"))
    fault = describe_fault(FieldError("cameras[1].activation_number", reason))
    assert (fault.row, fault.column, fault.reason) == ("3", "激活码", "is required")
    fault = describe_fault(FieldError("list", message("the list is empty")))
    assert (fault.row, fault.column, fault.reason) == ("", "", "the list is empty")


@pytest.mark.parametrize("language", Language)
def test_the_example_is_a_list_without_faults(language: Language) -> None:
    plan = read_list(EXAMPLE_LISTS[language].encode(), "example.csv", ProvisioningSettings())
    assert not plan.ignored
    assert [camera.activation_number for camera in plan.cameras] == [
        "812345678901234567890123",
        "812345678901234567890124",
    ]
    assert [camera.settings["zoom"] for camera in plan.cameras] == [120, 200]


async def test_the_simulated_store_has_a_list_of_its_cameras(store: SimulatedStore) -> None:
    plan = read_list(control_faults(store).site_plan.encode(), "demo", ProvisioningSettings())
    assert [camera.sn for camera in plan.cameras] == [camera.sn for camera in store.cameras]
    assert plan.wifi is not None
    assert (plan.wifi.ssid, plan.wifi.password) == (WIFI_SSID, WIFI_PASSWORD)


def test_the_time_grows_with_cameras_that_are_visited_one_after_the_other() -> None:
    near, far = frozenset({"find", "name"}), frozenset({"find", "wifi"})
    assert estimate_minutes([near] * 3, max_concurrency=20, event_wait_s=60) == 2
    assert estimate_minutes([far] * 20, max_concurrency=20, event_wait_s=60) > 20


def count_calls(store: SimulatedStore, path: str) -> int:
    """Return how often cameras were called."""
    return sum(one.path == path for camera in store.cameras for one in camera.requests)


async def hand_over(page: Page, rows: str) -> None:
    await page.get_by_label("or paste the rows").fill(rows)
    await page.get_by_label("Name of the Wi-Fi").fill(WIFI_SSID)
    await page.get_by_label("Password of the Wi-Fi").fill(WIFI_PASSWORD)
    await page.get_by_role("button", name="Check the list").click()


async def test_a_whole_shop_is_set_up_and_only_the_failed_go_on(
    console: Console, browser: Browser, store: SimulatedStore
) -> None:
    console.gateway.callback_urls.port = URL(console.url).port
    async with people(store):
        await walk_through(console, browser, store)


async def walk_through(console: Console, browser: Browser, store: SimulatedStore) -> None:
    gateway = console.gateway
    for camera in store.cameras:
        camera.state.cable, camera.state.hotspot = True, False
    await find(gateway, store.cameras)
    _, page = await open_browser_session(browser, console, "installer")
    await page.goto(f"{console.url}console/")
    await page.get_by_role("link", name="Cameras", exact=True).click()
    await page.get_by_role("link", name="Set up a whole shop").click()

    # A list with faults changes nothing, and stays to be corrected.
    faulty = make_list(store, bad_mac=True)
    await hand_over(page, faulty)
    await expect(page.locator("#faults tbody tr")).to_have_count(2)
    first, second = await page.locator("#faults tbody tr").all()
    await expect(first).to_contain_text("activation_number")
    await expect(first.locator("td").first).to_have_text("3")
    await expect(second).to_contain_text("04:12:24:E3:45:12")
    await expect(page.get_by_label("or paste the rows")).to_have_value(faulty)
    assert gateway.shop.progress == []

    # Then what would happen, and nothing without the right number.
    await page.get_by_label("or paste the rows").fill(make_list(store, wrong_number=True))
    await page.get_by_role("button", name="Check the list").click()
    await expect(page.get_by_role("heading", name="What would happen")).to_be_visible()
    await expect(page.locator("li.erases")).to_contain_text("2")
    await expect(page.get_by_text(HOSTILE)).to_be_visible()
    await page.get_by_label("Type the number of cameras").fill("3")
    await page.get_by_role("button", name="Set up 3 cameras").click()
    await expect(page.get_by_role("alert").filter(has_text="must be 2")).to_be_visible()
    assert not count_calls(store, "device/activate"), "nothing was sent"
    await page.get_by_label("Type the number of cameras").fill("2")
    await page.get_by_role("button", name="Set up 3 cameras").click()

    # One camera fails; the others are done. The page says so by itself.
    failed = page.locator(".plan-cameras > li.failed")
    await expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    await expect(page.get_by_text("2 of 3 done")).to_be_visible()
    await expect(failed).to_have_count(1)
    await expect(failed).to_contain_text("Compare the activation number")
    await expect(page.locator(".plan-cameras > li").first).to_have_class(re.compile("failed"))
    await page.locator(".kinds").get_by_role("link", name="failed").click()
    await expect(page.locator(".plan-cameras > li")).to_have_count(1)
    await page.get_by_role("link", name="Store gateway").click()
    await page.get_by_role("link", name="Cameras that are done: 2 of 3").click()

    # The corrected list, and only the failed one goes on. The password is known.
    await page.get_by_role("button", name="Correct the list").click()
    await page.get_by_label("or paste the rows").fill(make_list(store))
    await page.get_by_role("button", name="Check the list").click()
    named = count_calls(store, "config/updateName")
    await expect(page.get_by_role("heading", name="Set up what is not done yet")).to_be_visible()
    await page.get_by_label("Type the number of cameras").fill("1")
    await page.get_by_role("button", name="Set up 1 camera").click()
    await expect(page.get_by_text("All cameras are set up.")).to_be_visible()
    assert count_calls(store, "config/updateName") == named + 1, "the others were done before"
    assert all(camera.state.activated for camera in store.cameras)

    await page.get_by_text("Delete the plan").first.click()
    await page.get_by_label("no longer needed").check()
    await page.get_by_role("button", name="Delete the plan").click()
    await expect(page.get_by_text("The plan was deleted")).to_be_visible()
    await page.close()


async def test_secrets_are_not_shown_again_and_two_hundred_cameras_fit(console: Console) -> None:
    await console.sign_in("installer")
    csrf = await console.csrf()
    rows = "sn,activation_number,name,place\n" + "".join(
        f"FM020A23{number:05},8{number:023},Camera {number} {HOSTILE[:20]},place {number}\n" for number in range(1, 201)
    )
    response, _ = await console.post(
        "cameras/site-plan/list", csrf=csrf, rows=rows, ssid="Shop", password="a 'quoted\" one"
    )
    assert response.headers["Location"] == "/console/cameras/site-plan/dry-run"
    for path in ("", "/dry-run", "/list", "/progress"):
        response, html = await console.get(f"cameras/site-plan{path}")
        assert response.status == 200
        assert "quoted" not in html
        assert f"8{7:023}" not in html
        assert "<img src" not in html
        assert len(html.encode()) < 80_000, path
    response, html = await console.get("cameras/site-plan/sheet")
    assert (response.status, "default-src 'none'" in response.headers["Content-Security-Policy"]) == (200, True)
    assert "Camera 199" in html
    assert "quoted" not in html
    assert "Looked at again" not in html
    response, html = await console.get("cameras/site-plan/sheet?again")
    assert (response.status, "Looked at again" in html) == (200, True)
    _, html = await console.get("cameras/site-plan?page=5")
    assert "Camera 199" in html
    for query in ("page=0", "page=-1", "page=99999", "kind=x", "page=x"):
        response, _ = await console.get(f"cameras/site-plan?{query}")
        assert response.status == 200
    response, html = await console.post("cameras/site-plan/run", csrf=csrf)
    assert response.status == 400, "nobody agreed to lose face groups"
    assert 'href="/console/cameras/site-plan/dry-run?page=2"' in html, "this page has no other address"
    await console.post("cameras/site-plan/delete", csrf=csrf)
    assert len(console.gateway.shop.progress) == 200, "the box was not ticked"
    await console.post("cameras/site-plan/delete", csrf=csrf, sure="yes")
    assert console.gateway.shop.progress == []
    response, _ = await console.get("cameras/site-plan")
    assert response.headers["Location"] == "/console/cameras/site-plan/list"


async def test_the_wifi_alone_is_corrected_without_the_list(console: Console) -> None:
    await console.sign_in("installer")
    csrf = await console.csrf()
    rows = "sn,activation_number,name\nFM020A2300001,812345678901234567890123,Entrance\n"
    await console.post("cameras/site-plan/list", csrf=csrf, rows=rows, ssid="Shop", password="a wrong password")
    _, html = await console.get("cameras/site-plan/list")
    assert "leave the list empty" in html
    refused, html = await console.post("cameras/site-plan/list", csrf=csrf, rows="", ssid="Shop", password="short")
    assert (refused.status, "8 to 64 characters" in html) == (400, True)
    corrected, _ = await console.post(
        "cameras/site-plan/list", csrf=csrf, rows=" ", ssid="Shop", password=" the right one"
    )
    assert corrected.status == 303
    shop = console.gateway.shop
    assert shop.plan.wifi == WifiNetwork(ssid="Shop", password=" the right one")
    assert [one.planned.name for one in shop.progress] == ["Entrance"]
    assert shop.progress[0].planned.activation_number == "812345678901234567890123"


async def test_faults_name_the_columns_as_the_list_does(console: Console) -> None:
    await console.sign_in("installer")
    rows = "序列号,激活码,变焦\nFM020A2300001,8.0E+23,abc\n"
    response, html = await console.post(
        "cameras/site-plan/list", csrf=await console.csrf(), rows=rows, headers={"Accept-Language": "zh-CN"}
    )
    assert response.status == 400
    assert re.findall(r'<td data-label="列">([^<]*)</td>', html) == ["激活码", "变焦"]


async def test_a_file_with_a_wrong_wifi_has_to_be_chosen_again(console: Console) -> None:
    await console.sign_in("installer")
    csrf = await console.csrf()
    rows = "sn,activation_number,name\nFM020A2300001,812345678901234567890123,Entrance\n"
    await console.post("cameras/site-plan/list", csrf=csrf, rows=rows, ssid="Shop", password="a wrong password")
    form = aiohttp.FormData({"csrf": csrf, "rows": "", "ssid": "Shop", "password": "short"})
    form.add_field("file", rows.replace("Entrance", "Exit"), filename="shop.csv", content_type="text/csv")
    async with console.http.post(f"{console.url}console/cameras/site-plan/list", data=form) as response:
        html = await response.text()
    assert (response.status, "8 to 64 characters" in html) == (400, True)
    assert "choose the file again" in html
    assert "leave the list empty" not in html, "that would keep the cameras of the former list"


def make_workbook(rows: str) -> bytes:
    """Return a list as Excel saves it."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for line in rows.splitlines():
        sheet.append(line.split("\t"))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


async def upload(page: Page, name: str, content: bytes) -> None:
    file = FilePayload(name=name, mimeType="application/octet-stream", buffer=content)
    await page.get_by_label("The list as a file").set_input_files(file)
    await page.get_by_role("button", name="Check the list").click()


async def test_a_file_is_handed_over_and_a_run_waits_through_a_restart_until_it_is_stopped(
    console: Console, browser: Browser, store: SimulatedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = console.gateway
    monkeypatch.setattr(gateway.provisioning, "_timeouts", StepTimeouts(reach_s=1, probe_s=0.5))
    await hide(store)
    await find(gateway, store.cameras[:1])
    gateway.shop.use_hotspots(SimulatedHotspots(store, other_interfaces=()))
    _, page = await open_browser_session(browser, console, "installer")
    await page.goto(f"{console.url}console/cameras/site-plan/list")

    # A file with a fault, then one of Excel without: what it says is of its lines.
    await upload(page, "plan.csv", make_list(store, bad_mac=True).replace("\t", ";").encode("gb18030"))
    await expect(page.locator("#faults tbody tr")).to_have_count(2)
    await page.get_by_label("Name of the Wi-Fi").fill(WIFI_SSID)
    await page.get_by_label("Password of the Wi-Fi").fill(WIFI_PASSWORD)
    await page.get_by_label("or paste the rows").fill("")
    await upload(page, "plan.xlsx", make_workbook(make_list(store)))
    await expect(page.get_by_role("heading", name="What would happen")).to_be_visible()
    assert [one.planned.name for one in gateway.shop.progress] == ["Camera 1", "Camera 2", "Camera 3"]

    # Cameras are in their hotspots alone, and this machine has one interface: it asks before it leaves.
    await expect(page.get_by_text("wlan0 leaves Shop.")).to_be_visible()
    await page.get_by_label("Type the number of cameras").fill("2")
    await page.get_by_label("No, I join the cameras' hotspots myself").check()
    await page.get_by_role("button", name="Set up 3 cameras").click()
    await expect(page.get_by_text("2 cameras wait for you.")).to_be_visible()

    # After a restart of the gateway, the page says the same, and the run goes on waiting.
    await gateway.shop.close()
    await gateway.shop.load()
    gateway.shop.resume()
    await page.reload()
    await expect(page.get_by_text("2 cameras wait for you.")).to_be_visible()
    waiting = page.locator(".plan-cameras > li.waiting")
    await expect(waiting).to_have_count(2)
    await expect(waiting.first).to_contain_text("SUNMI_")

    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_text("It was stopped.").first).to_be_visible()
    assert not gateway.shop.is_running
    assert not any(camera.state.activated for camera in store.cameras[1:])
    await expect(page.get_by_role("button", name="Go on")).to_be_visible()
    await page.close()
