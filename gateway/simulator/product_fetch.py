"""How the simulated cloud fetches a shop's products from the gateway, page by page (Product APIs, chapter 5)."""

import random
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp

from gateway.errors import NetworkError
from gateway.protocol import form, json_text
from gateway.protocol.signing import add_signature

_TIMEOUT: Final = aiohttp.ClientTimeout(total=20)
_MAX_SHOWN: Final = 300


async def fetch_product_pages(
    url: str, *, account: tuple[str, str], shop_id: str, now: float, page_size: int = 100
) -> AsyncIterator[list[dict[str, Any]]]:
    """Yield the pages of a shop's products until all of them were there.

    `account` is the app_id and the key that sign, `now` the timestamp in Unix seconds. Raises `NetworkError` if the
    gateway does not respond with a page.
    """
    fetched, total, number = 0, 1, 0
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
        while fetched < total:
            number += 1
            fields = add_signature(
                {"shop_id": shop_id, "page_num": str(number), "page_size": str(page_size)},
                app_id=account[0],
                key=account[1],
                timestamp=int(now),
                random=str(random.randrange(10**9, 10**10)),
            )
            data = await _post(session, url, fields)
            page, total = data["product_list"], data["total"]
            if not page:
                return
            fetched += len(page)
            yield page


async def _post(session: aiohttp.ClientSession, url: str, fields: dict[str, str]) -> dict[str, Any]:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    try:
        async with session.post(url, data=form.encode(fields), headers=headers, allow_redirects=False) as response:
            raw = await response.read()
    except (aiohttp.ClientError, OSError, TimeoutError) as exc:
        raise NetworkError(f"{url} does not respond: {exc or type(exc).__name__}") from exc
    try:
        document = json_text.loads(raw)
        data: dict[str, Any] = document["data"]
        if document["code"] == 0 and isinstance(data["product_list"], list) and isinstance(data["total"], int):
            return data
    except (ValueError, KeyError, TypeError):
        pass
    raise NetworkError(f"{url} responds {response.status} without a page: {raw.decode(errors='replace')[:_MAX_SHOWN]}")
