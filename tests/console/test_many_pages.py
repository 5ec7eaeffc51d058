"""One person opens many pages: a browser opens six connections to a gateway, for all its pages together."""

from playwright.async_api import Browser, Page, expect

from tests.console.conftest import Console, open_browser_session
from tests.console.test_outbox_pages import refuse_product


async def set_hidden(page: Page, *, hidden: bool) -> None:
    """Let a page believe that another one hides it, or does so no longer: pages of a test are always visible."""
    await page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


async def test_pages_that_nobody_sees_keep_no_other_from_opening(console: Console, browser: Browser) -> None:
    context, first = await open_browser_session(browser, console)
    await first.goto(f"{console.url}console/outbox")
    page = first
    for _ in range(8):
        await set_hidden(page, hidden=True)
        page = await context.new_page()
        await page.goto(f"{console.url}console/cameras")
    # Seen again, a page shows what has happened meanwhile, and is live.
    earlier = await refuse_product(console.gateway)
    await expect(first.locator("#outbox")).to_contain_text("Nothing was handed over yet.")
    await set_hidden(first, hidden=False)
    await expect(first.locator(f"#item-{earlier}")).to_contain_text("refused")
    number = await refuse_product(console.gateway)
    await expect(first.locator(f"#item-{number}")).to_contain_text("refused")
