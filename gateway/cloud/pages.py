"""Lists of the cloud that come in pages."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from firmware_tools.language import Message
from gateway.cloud.client import CloudClient
from gateway.errors import CloudResponseMalformed
from gateway.protocol.endpoint import Endpoint

PAGE_SIZE: Final = 100
"""How many rows are read at a time."""
MAX_PAGES: Final = 2000
"""How many pages are read at most."""

T = TypeVar("T")


async def read_pages(
    cloud: CloudClient,
    endpoint: Endpoint,
    shop: Mapping[str, str],
    *,
    member: str,
    read_rows: Callable[[Sequence[Any]], Mapping[str, T]],
    malformed: Message,
    on_page: Callable[[], None] = lambda: None,
) -> dict[str, T]:
    """Return the rows of all pages, by their identifiers. `member` is the list of a response that holds them.

    `read_rows` returns those rows of a page that can be read; `on_page` is called for each page. Pages shift while rows
    come and go, so it is read until a page brings nothing new. Raises what calls raise, and `CloudResponseMalformed`
    with `malformed` for what is no page.
    """
    found: dict[str, T] = {}
    for number in range(1, MAX_PAGES + 1):
        call = endpoint.encode({"page_num": number, "page_size": PAGE_SIZE}, defaults=shop)
        data = (await cloud.call(call)).data
        rows = data.get(member) if isinstance(data, Mapping) else None
        if not isinstance(rows, list):
            raise CloudResponseMalformed(malformed)
        on_page()
        page = read_rows(rows)
        is_last = len(rows) < PAGE_SIZE or page.keys() <= found.keys()
        found.update(page)
        if is_last:
            break
    return found
