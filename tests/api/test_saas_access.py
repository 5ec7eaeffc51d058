"""Who may fetch the shop's products as the vendor's cloud does, and what of that the settings choose."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.errors import SettingsError
from gateway.settings import Settings, parse_settings
from gateway.simulator.account import APP_ID, SECRET_KEY, SHOP_ID
from tests.api.serving import served

PATH = "/saas/getProductList"
TOKEN = "a-secret-of-the-shop"
PLAIN = {"shop_id": SHOP_ID, "page_num": "1", "page_size": "5"}


async def fetch(http: aiohttp.ClientSession, path: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    async with http.post(path, data=PLAIN, headers=headers) as response:
        return response.status, await response.json(content_type=None)


async def test_nobody_fetches_without_an_account(tmp_path: Path) -> None:
    async with served(tmp_path, cloud={"shop_id": SHOP_ID}) as one, aiohttp.ClientSession(one.plain) as http:
        status, answer = await fetch(http, PATH)
        assert (status, answer["code"]) == (200, 5022)
        assert "set the app_id and secret_key" in answer["msg"]


@pytest.mark.parametrize(
    ("products", "path", "headers", "status"),
    [
        ({"vendor_token": TOKEN}, f"{PATH}/{TOKEN}", {}, 200),
        ({"vendor_token": TOKEN}, f"{PATH}/{TOKEN}x", {}, 401),
        ({"vendor_token": TOKEN}, f"{PATH}/%ff", {}, 401),
        ({"vendor_addresses": ["127.0.0.1"]}, PATH, {}, 200),
        ({"vendor_addresses": ["127.0.0.0/16"]}, PATH, {"X-Forwarded-For": "127.0.0.1"}, 401),
        ({"vendor_addresses": ["203.0.113.0/24"]}, PATH, {}, 401),
        ({"vendor_addresses": ["203.0.113.7"], "vendor_token": TOKEN}, f"{PATH}/{TOKEN}", {}, 401),
        ({"vendor_path": "/api/getProductList", "vendor_token": TOKEN}, f"/api/getProductList/{TOKEN}", {}, 200),
    ],
)
async def test_addresses_and_a_secret_stand_for_the_signature(
    tmp_path: Path, products: Any, path: str, headers: dict[str, str], status: int
) -> None:
    given = {"shop_id": SHOP_ID, "app_id": APP_ID, "secret_key": SECRET_KEY}
    async with served(tmp_path, cloud=given, products=products) as one, aiohttp.ClientSession(one.plain) as http:
        answer = await fetch(http, path, headers)
        assert (answer[0], answer[1]["code"]) == (status, 0 if status == 200 else 5090), answer


async def test_it_can_be_switched_off(tmp_path: Path) -> None:
    async with served(tmp_path, products={"vendor_path": ""}) as one, aiohttp.ClientSession(one.plain) as http:
        assert (await fetch(http, PATH))[0] == 404


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('vendor_path = "/"', "must be a path"),
        ('vendor_path = "/products"', "must be a path"),
        ('vendor_path = "/api/v1/products"', "must be a path"),
        ('vendor_path = "/saas/../api"', "must be a path"),
        ('vendor_path = "/saas/{x}"', "must be a path"),
        ('vendor_addresses = ["0.0.0.0/1"]', "nearly everybody"),
        ('vendor_addresses = ["::/0"]', "nearly everybody"),
        ('vendor_addresses = ["shop.example"]', "neither an IP address"),
        ('vendor_token = "1234"', "16 to 128"),
    ],
)
def test_settings_that_let_everybody_in_are_refused(text: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        parse_settings(f"[products]\n{text}\n", "test")


def test_the_secret_is_not_shown() -> None:
    settings = Settings.model_validate({"products": {"vendor_token": TOKEN}})
    assert TOKEN not in f"{settings!r} {settings.describe()}"
    assert TOKEN in settings.secrets
