from functools import partial
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Browser, expect

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.cli.fault_option import control_faults
from gateway.console.site import add_console
from gateway.protocol.catalogue import CATALOGUE
from gateway.simulator.store import SimulatedStore
from tests.console.conftest import Console, open_browser_session
from tests.search import manage

ORDER = '[{"order_no": "A-1", "received_amount": 12.80}]'


async def test_the_signature_of_the_vendors_example(console: Console) -> None:
    """The worked example of the vendor's page on signatures (NOTES: Signed text)."""
    await console.sign_in("pos")
    csrf = await console.csrf()
    pairs = "app_id=AAAA\nname=value=with equals\nempty="
    response, html = await console.post("developer/signature", csrf=csrf, pairs=pairs, key="secret")
    assert response.status == 200
    assert "app_id=AAAA&amp;name=value=with equals&amp;key=secret" in html
    response, html = await console.post("developer/signature", csrf=csrf, pairs="no pair", key="k")
    assert response.status == 400
    assert "is not name=value" in html


async def test_a_call_is_tried_and_its_response_shown(
    console: Console, store: SimulatedStore, browser: Browser
) -> None:
    _, page = await open_browser_session(browser, console)
    await page.goto(f"{console.url}console/developer?search=order update")
    await page.get_by_role("link", name="order/update").click()
    await page.fill("textarea[name='parameter.order_list']", ORDER)
    await page.get_by_label("I mean it").check()
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator("#result")).to_contain_text("The call succeeded.")
    await expect(page.locator("#result pre")).to_contain_text('"invalid_list": []')
    [order] = [call.fields for call in store.cloud.accepted if "order_list" in call.fields]
    assert order["order_list"] == '[{"order_no":"A-1","received_amount":12.80}]'


async def test_wrong_arguments_are_named_and_kept(console: Console) -> None:
    await console.sign_in("admin")
    fields = {"csrf": await console.csrf(), "confirmed": "yes", "parameter.order_list": '[{"order_no": ""}]'}
    response, html = await console.post("developer/cloud/order/update", **fields)
    assert response.status == 400
    assert "order_list[0].order_no" in html
    assert "[{&#34;order_no&#34;: &#34;&#34;}]" in html


async def test_what_changes_something_has_to_be_meant(console: Console, store: SimulatedStore) -> None:
    await console.sign_in("admin")
    fields = {"csrf": await console.csrf(), "parameter.order_list": ORDER}
    response, html = await console.post("developer/cloud/order/update", **fields)
    assert response.status == 409
    assert "tick the box" in html
    assert "order/update" not in [one.path for one in store.cloud.accepted]


async def test_scopes_hold_as_over_rest(console: Console) -> None:
    await console.sign_in("pos")
    csrf = await console.csrf()
    for endpoint in CATALOGUE.endpoints:
        if endpoint.scope != "pos":
            response, _ = await console.post(f"developer/{endpoint.side}/{endpoint.path}", csrf=csrf, confirmed="yes")
            assert response.status == 403, endpoint.path


async def test_every_endpoint_has_a_form(console: Console) -> None:
    await console.sign_in("admin")
    for endpoint in CATALOGUE.endpoints:
        response, html = await console.get(f"developer/{endpoint.side}/{endpoint.path}")
        assert response.status == 200, endpoint.path
        assert all(f"parameter.{one.name}" in html for one in endpoint.parameters), endpoint.path


async def test_a_camera_is_called_and_its_secrets_are_for_admins(console: Console, store: SimulatedStore) -> None:
    camera = store.cameras[0]
    await manage(console.gateway, camera)
    await console.sign_in("installer")
    response, html = await console.post(
        "developer/camera/device/getInfo", csrf=await console.csrf(), camera=camera.sn.lower()
    )
    assert response.status == 200, html
    assert camera.sn in html


async def test_odd_addresses_are_not_found(console: Console) -> None:
    await console.sign_in("admin")
    for path in ("developer/x/order/update", "developer/cloud/order/updat", "developer/camera/order/update"):
        assert (await console.get(path))[0].status == 404
    response, _ = await console.post("developer/faults", csrf=await console.csrf(), target="cloud", fault="slow")
    assert response.status == 404


def list_plugged(store: SimulatedStore) -> list[bool]:
    return [camera.on_network for camera in store.cameras]


async def test_a_camera_of_a_simulated_store_is_unplugged_and_plugged_in_again(
    gateway: Gateway, store: SimulatedStore, browser: Browser
) -> None:
    add_pages: Any = partial(add_console, simulated_store=control_faults(store))
    camera = store.cameras[1]
    async with serve(gateway, add_pages=add_pages) as urls, aiohttp.ClientSession() as http:
        _, page = await open_browser_session(browser, Console(gateway, urls[0], http))
        await page.goto(f"{urls[0]}console/developer")
        line = page.locator("li", has_text=camera.sn)
        await line.get_by_role("button", name="Unplug it").click()
        await expect(line).to_contain_text("unplugged")
        assert list_plugged(store) == [True, False, True]
        await line.get_by_role("button", name="Plug it in").click()
        await expect(line).to_contain_text("plugged in")
        assert list_plugged(store) == [True, True, True]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [("refuse:code=5041,path=order/update", "misbehaves"), ("explode", "is not a fault"), ("slow", "needs seconds")],
)
async def test_a_simulated_store_is_told_to_misbehave(
    gateway: Gateway, store: SimulatedStore, fault: str, expected: str
) -> None:
    add_pages: Any = partial(add_console, simulated_store=control_faults(store))
    jar = aiohttp.CookieJar(unsafe=True)
    async with serve(gateway, add_pages=add_pages) as urls, aiohttp.ClientSession(cookie_jar=jar) as http:
        console = Console(gateway, urls[0], http)
        await console.sign_in("admin")
        csrf = await console.csrf()
        await console.post("developer/faults", csrf=csrf, target="cloud", fault=fault)
        _, html = await console.get("developer")
        assert expected in html
        assert bool(store.cloud.faults.queue) is (expected == "misbehaves")
        await console.post("developer/faults", csrf=csrf, action="clear")
        assert not store.cloud.faults.queue
