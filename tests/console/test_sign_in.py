import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Browser, expect
from yarl import URL

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.console.pages import PAGES
from gateway.console.site import add_console
from gateway.settings import load_settings
from gateway.simulator.ports import find_free_port
from gateway.simulator.store import SimulatedStore
from tests.chromium import NAME, open_window
from tests.console.conftest import Console


async def test_a_code_opens_a_session_with_a_careful_cookie(console: Console) -> None:
    code = console.gateway.pairing.create("Li's phone", ["installer"])
    response, _ = await console.post("sign-in", code=code.code.lower())
    assert (response.status, response.headers["Location"]) == (303, "/console/")
    cookie = response.headers["Set-Cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Strict", "Path=/console"))
    assert re.match(r"session_[0-9a-f]{12}=sgs_", cookie)
    response, html = await console.get("")
    assert response.status == 200
    assert "Is the shop all right?" in html
    [record] = [one for one in console.gateway.tokens.all() if one.is_session]
    assert (record.name, record.scopes) == ("Li's phone", ("installer",))


async def test_a_wrong_code_is_refused_and_tries_are_limited(console: Console) -> None:
    for _ in range(5):
        response, html = await console.post("sign-in", code="ABCDEFGH")
        assert response.status == 400
        assert "make a new one" in html
        assert "code:" not in html
    response, html = await console.post("sign-in", code=console.gateway.pairing.create("phone", ["pos"]).code)
    assert response.status == 429
    assert int(response.headers["Retry-After"]) > 0
    # A till is not kept out by that.
    token = await console.gateway.tokens.create("till 1", "pos")
    headers = {"Authorization": f"Bearer {token}"}
    async with console.http.get(f"{console.url}api/v1/status", headers=headers) as status:
        assert status.status == 200


async def test_without_a_session_every_page_leads_to_the_sign_in(console: Console) -> None:
    for page in PAGES:
        if page.scope is None:
            continue
        path = re.sub(r"{[^}]+}", "x", page.path)
        response, _ = await (console.get(path) if page.method == "GET" else console.post(path))
        assert response.status == 303, page
        assert response.headers["Location"].startswith("/console/sign-in?next=%2Fconsole%2F"), page
        response, _ = (
            await console.get(path, headers={"HX-Request": "true"})
            if page.method == "GET"
            else (await console.post(path, headers={"HX-Request": "true"}))
        )
        assert response.status == 401, page


async def test_the_sign_in_leads_back_to_the_page_and_nowhere_else(console: Console) -> None:
    for given, expected in (
        ("/console/outbox?state=refused", "/console/outbox?state=refused"),
        ("https://evil.example/", "/console/"),
        ("//evil.example/console/", "/console/"),
        ("/console/../api", "/console/"),
        ("/\\evil.example", "/console/"),
    ):
        code = console.gateway.pairing.create("phone", ["pos"])
        response, _ = await console.post("sign-in", code=code.code, next=given)
        assert response.headers["Location"] == expected


async def test_a_session_is_no_token_and_a_token_no_session(console: Console) -> None:
    await console.sign_in("admin")
    [cookie] = [one for one in console.http.cookie_jar if one.key.startswith("session_")]
    headers = {"Authorization": f"Bearer {cookie.value}"}
    async with aiohttp.ClientSession() as other:
        async with other.get(f"{console.url}api/v1/status", headers=headers) as response:
            assert response.status == 401
        async with other.get(f"{console.url}api/v1/status", cookies={cookie.key: cookie.value}) as response:
            assert response.status == 401
        token = await console.gateway.tokens.create("till 1", "admin")
        async with other.get(f"{console.url}console/", cookies={cookie.key: token}, allow_redirects=False) as response:
            assert response.status == 303


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({}, {}),
        ({"csrf": "0" * 64}, {}),
        (None, {"Origin": "http://evil.example"}),
    ],
)
async def test_a_form_of_another_page_is_refused(
    console: Console, fields: dict[str, str] | None, headers: dict[str, str]
) -> None:
    await console.sign_in("admin")
    given = {"csrf": await console.csrf()} if fields is None else fields
    response, _ = await console.post("sign-out", headers=headers, **given)
    assert response.status == 403
    assert (await console.get(""))[0].status == 200


async def test_signing_out_ends_the_session(console: Console) -> None:
    await console.sign_in("pos")
    response, _ = await console.post("sign-out", csrf=await console.csrf())
    assert response.headers["Location"] == "/console/sign-in"
    assert not [one for one in console.gateway.tokens.all() if one.is_session]
    assert (await console.get(""))[0].status == 303


async def test_a_revoked_session_ends_at_once_with_its_stream(console: Console) -> None:
    await console.sign_in("pos", name="lost phone")
    async with console.http.get(f"{console.url}console/events/stream") as stream:
        assert stream.status == 200
        await console.gateway.tokens.revoke("lost phone")
        await stream.content.read()  # it ends
    assert (await console.get(""))[0].status == 303


async def test_the_scope_of_the_code_is_that_of_the_session(console: Console) -> None:
    await console.sign_in("pos")
    response, html = await console.post("check", csrf=await console.csrf())
    assert response.status == 403
    assert "needs a token of scope installer" in html


async def test_pages_forbid_what_they_do_not_need(console: Console) -> None:
    response, html = await console.get("sign-in")
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "style=" not in html
    assert response.headers["Cache-Control"] == "no-store"


async def test_a_mistyped_code_stays_to_be_corrected(console: Console) -> None:
    response, html = await console.post("sign-in", code='ABCD-23"<b>')
    assert response.status == 400
    assert 'value="ABCD-23&#34;&lt;b&gt;"' in html
    assert "this code is not known, was used, or has expired: check it, or make a new one" in html


async def test_the_language_is_that_of_the_browser_until_one_is_chosen(console: Console) -> None:
    assert 'lang="zh-CN"' in (await console.get("sign-in", headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"}))[1]
    assert '<html lang="en">' in (await console.get("sign-in", headers={"Accept-Language": "en, zh;q=0.5"}))[1]
    response, _ = await console.get("language?to=zh&next=/console/sign-in")
    assert response.headers["Location"] == "/console/sign-in"
    assert '<html lang="zh-CN">' in (await console.get("sign-in", headers={"Accept-Language": "en"}))[1]


@pytest.mark.parametrize(
    ("path", "back"),
    [
        ("outbox?state=refused&reference=a%26b", "/console/outbox?state=refused&reference=a%26b"),
        ("sign-in?next=%2Fconsole%2Foutbox%3Fstate%3Drefused", "/console/sign-in?next=/console/outbox?state%3Drefused"),
    ],
)
async def test_another_language_shows_the_same_page(console: Console, path: str, back: str) -> None:
    await console.sign_in()
    _, html = await console.get(path)
    link = re.search(r'href="/console/(language[^"]+)"', html)
    assert link is not None
    response, _ = await console.get(unescape(link[1]))
    assert URL(response.headers["Location"]) == URL(back)


async def test_another_language_leads_from_a_refused_form_to_its_page(console: Console) -> None:
    await console.sign_in()
    csrf = await console.csrf()
    refused, html = await console.post("shop/tokens", csrf=csrf, name="till")
    assert refused.status == 400
    link = re.search(r'href="/console/(language[^"]+)"', html)
    assert link is not None
    async with console.http.get(f"{console.url}console/{unescape(link[1])}") as response:
        assert (response.status, response.url.path) == (200, "/console/shop")


async def test_static_files_are_compressed_and_kept(console: Console) -> None:
    _, html = await console.get("sign-in")
    for address in re.findall(r'(?:href|src)="(/console/static/[^"]+)"', html):
        async with console.http.get(f"{console.url.rstrip('/')}{address}") as response:
            assert response.status == 200
            assert response.headers["Content-Encoding"] == "gzip"
            assert "immutable" in response.headers["Cache-Control"]
            tag = response.headers["ETag"]
        async with console.http.get(f"{console.url.rstrip('/')}{address}", headers={"If-None-Match": tag}) as response:
            assert response.status == 304


@pytest.mark.parametrize("origin", ["http://[", "http://a]b", "null", "http://evil.example", "h"])
async def test_an_origin_that_is_no_address_is_another_page(
    console: Console, origin: str, caplog: pytest.LogCaptureFixture
) -> None:
    response, _ = await console.post("sign-in", headers={"Origin": origin}, code="ABCDEFGH")
    assert response.status == 403
    assert "Traceback" not in caplog.text


async def test_who_has_no_session_sends_no_large_form(console: Console) -> None:
    response, _ = await console.post("sign-in", code="A" * 20_000)
    assert response.status == 413


async def test_a_stranger_takes_no_room_for_forms_from_sessions(console: Console) -> None:
    await console.sign_in("admin")
    csrf = await console.csrf()
    address = URL(console.url)
    assert address.host is not None
    _, stranger = await asyncio.open_connection(address.host, address.port)
    try:
        stranger.write(
            b"POST /console/sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8000000\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n\r\ncode=A"
        )
        await stranger.drain()
        await asyncio.sleep(0.2)
        response, _ = await console.post("check", csrf=csrf, more="A" * 900_000)
        assert response.status == 303
    finally:
        stranger.close()


async def test_a_page_that_points_its_own_name_here_is_led_nowhere(console: Console) -> None:
    for path in ("", "console", "console/", "console/sign-in", "console/static/console.js"):
        headers = {"Host": "evil.example"}
        async with console.http.get(f"{console.url}{path}", headers=headers, allow_redirects=False) as response:
            assert response.status == 421, path


async def test_what_an_ended_session_was_to_be_told_no_other_one_is(console: Console) -> None:
    await console.sign_in("admin", name="phone")
    response, _ = await console.post("outbox", csrf=await console.csrf(), action="retry")
    assert response.status == 303
    await console.gateway.tokens.revoke("phone")
    await console.sign_in("admin", name="phone")
    assert "Nothing was chosen." not in (await console.get(""))[1]


async def test_a_part_leaves_notices_to_the_next_page(console: Console) -> None:
    await console.sign_in("admin")
    await console.post("outbox", csrf=await console.csrf(), action="retry")
    _, part = await console.get("outbox/list", headers={"HX-Request": "true"})
    assert "Nothing was chosen." not in part
    assert "Nothing was chosen." in (await console.get("outbox"))[1]


@contextlib.asynccontextmanager
async def open_gateway(file: Path) -> AsyncIterator[Gateway]:
    gateway = await Gateway.open(load_settings(file))
    try:
        yield gateway
    finally:
        await gateway.close()


async def test_after_a_session_by_https_another_one_opens_by_http(
    browser: Browser, store: SimulatedStore, tmp_path: Path
) -> None:
    """Over plain HTTP a browser does not replace a cookie that was set over HTTPS.

    The gateway has a name, since a browser trusts loopback addresses as it trusts HTTPS.
    """
    file = tmp_path / "gateway.toml"
    server = f'[server]\nhost = "127.0.0.1"\nport = 0\nhttps_port = {find_free_port()}\n'
    storage = f'[storage]\ndirectory = "{tmp_path}/state"\n'
    file.write_text(f"{store.settings_toml(tmp_path)}\n{server}{storage}", encoding="utf-8")
    async with open_gateway(file) as gateway, serve(gateway, add_pages=add_console) as urls:
        page = await (await open_window(browser, ignore_https_errors=True)).new_page()
        for url in (next(url for url in urls if url.startswith("https")), urls[0]):
            code = gateway.pairing.create("phone", ["admin"])
            await page.goto(f"{url.replace('127.0.0.1', NAME)}console/sign-in")
            await page.get_by_label("Pairing code").fill(code.code)
            await page.get_by_role("button", name="Sign in").click()
            await expect(page.get_by_role("heading", level=1)).to_have_text("Is the shop all right?")


async def test_no_page_leads_to_an_authority_that_there_is_not(console: Console) -> None:
    assert console.gateway.authority is None
    await console.sign_in("admin")
    for path in ("sign-in", "", "shop"):
        assert "/authority" not in (await console.get(path))[1]
