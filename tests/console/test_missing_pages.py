"""Addresses of the console that show nothing: a person gets a page of the console, a program what it can read."""

import pytest
from yarl import URL

from tests.console.conftest import Console


@pytest.mark.parametrize("path", ["nothing", "cameras/FM020A1/nothing/more"])
async def test_an_address_without_a_page_has_a_page_that_says_so(console: Console, path: str) -> None:
    await console.sign_in()
    response, html = await console.get(path)
    assert (response.status, response.content_type) == (404, "text/html")
    assert "Content-Security-Policy" in response.headers
    assert 'href="/console/"' in html
    assert "Sign out" in html


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("sign-out", ""),
        ("shop/pairing", "shop"),
        ("shop/restore/confirm", "shop"),
        ("cameras/FM020A1/set-up/network", "cameras/FM020A1/set-up"),
        ("cameras/site-plan/run", "cameras/site-plan"),
        ("products/import/take", "products/import"),
    ],
)
async def test_an_address_that_takes_forms_leads_to_the_page_above(console: Console, path: str, shown: str) -> None:
    await console.sign_in()
    response, _ = await console.get(path)
    assert (response.status, response.headers["Location"]) == (303, f"/console/{shown}")


async def test_it_is_in_the_language_of_the_person(console: Console) -> None:
    async with console.http.get(f"{console.url}console/nothing", headers={"Accept-Language": "zh"}) as response:
        assert response.status == 404
        assert 'lang="zh-CN"' in await response.text()


async def test_programs_get_a_document(console: Console) -> None:
    for method, path, status in (
        ("GET", "api/v1/nothing", 404),
        ("GET", "nothing", 404),
        ("DELETE", "console/nothing", 404),
        ("PUT", "console/sign-in", 405),
    ):
        async with console.http.request(method, f"{console.url}{path}") as response:
            assert (response.status, (await response.json())["status"]) == (status, status), path


async def test_an_address_that_the_router_does_not_take_for_one_of_the_console_makes_no_console(
    console: Console,
) -> None:
    async with console.http.get(URL(f"{console.url}console%2Fnothing", encoded=True)) as response:
        assert (response.status, response.content_type) == (404, "application/problem+json")
