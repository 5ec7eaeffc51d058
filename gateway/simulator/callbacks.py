"""How simulated cameras and the simulated cloud report events: a signed form, posted to the callback URL."""

import random
import re
from collections.abc import Mapping
from typing import Any, Final

import aiohttp

from gateway.protocol import form, json_text
from gateway.protocol.signing import add_signature

NO_RESPONSE: Final = 0
"""Stands for the HTTP status where there was no response."""

_URL: Final = re.compile(r"https?://[^/\s]+(/\S*)?")
_TIMEOUT_S: Final = 5.0


def is_callback_url(url: str) -> bool:
    """Tell whether events can be posted to an address."""
    return _URL.fullmatch(url) is not None


async def post_event(
    callback_url: str,
    event: int | str,
    payload: Mapping[str, Any],
    shop: Mapping[str, str],
    *,
    account: tuple[str, str],
    now: float,
    host: str | None = None,
) -> int:
    """Post an event once. Return the HTTP status of the response, or `NO_RESPONSE`.

    Whether the vendor tries again is not known. `account` is the app_id and the key that sign, `now` the timestamp in
    Unix seconds, `host` the local address to post from.
    """
    app_id, key = account
    fields = add_signature(
        {**shop, "event": str(event), "payload": json_text.dumps(payload)},
        app_id=app_id,
        key=key,
        timestamp=int(now),
        random=str(random.randrange(10**9, 10**10)),
    )
    connector = aiohttp.TCPConnector(local_addr=(host, 0) if host else None)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.post(callback_url, data=form.encode(fields), headers=headers, allow_redirects=False) as response,
        ):
            await response.read()
            return response.status
    except (aiohttp.ClientError, OSError, TimeoutError):
        return NO_RESPONSE
