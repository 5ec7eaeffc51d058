"""Addresses of the console that show nothing: a person gets a page of the console, a program what it can read."""

import pytest
from yarl import URL

from tests.console.conftest import Console


@pytest.mark.parametrize(
    ("path", "status"), [("nothing", 404), ("cameras/FM020A1/nothing/more", 404), ("sign-out", 405)]
)
async def test_an_address_without_a_page_has_a_page_that_says_so(console: Console, path: str, status: int) -> None:
    await console.sign_in()
    response, html = await console.get(path)
    assert (response.status, response.content_type) == (status, "text/html")
    assert "Content-Security-Policy" in response.headers
    assert ("Allow" in response.headers) is (status == 405)
    assert 'href="/console/"' in html
    assert "Sign out" in html


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
