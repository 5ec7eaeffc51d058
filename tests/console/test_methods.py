"""Which methods the addresses of the console respond to."""

from gateway.console.pages import PAGES
from tests.console.conftest import Console


async def test_head_is_answered_as_get_and_opens_no_stream(console: Console) -> None:
    await console.sign_in()
    for page in PAGES:
        if page.method != "GET" or "{" in page.path:
            continue
        async with console.http.head(f"{console.url}console/{page.path}", allow_redirects=False) as response:
            assert await response.read() == b""
            if page.shows == "data":
                assert response.status == 405, page.path
                continue
            got, _ = await console.get(page.path)
            assert (response.status, response.content_type) == (got.status, got.content_type), page.path


async def test_options_names_the_methods(console: Console) -> None:
    async with console.http.options(f"{console.url}console/sign-in") as response:
        assert (response.status, response.headers["Allow"]) == (204, "GET, HEAD, OPTIONS, POST")
