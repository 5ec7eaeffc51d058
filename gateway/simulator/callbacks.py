"""How simulated cameras and the simulated cloud report events: a signed form, posted to the subscribed address."""

import random
import re
from collections.abc import Mapping
from typing import Any, Final

import aiohttp

from gateway.protocol import form, json_text
from gateway.protocol.signing import add_signature

NO_ANSWER: Final = 0
"""What stands for the HTTP status where nobody answered."""

_URL: Final = re.compile(r"https?://[^/\s]+(/\S*)?")
_TIMEOUT_S: Final = 5.0


def is_callback(url: str) -> bool:
    """Tell whether events can be posted to an address."""
    return _URL.fullmatch(url) is not None


async def report(
    callback: str,
    event: int | str,
    payload: Mapping[str, Any],
    shop: Mapping[str, str],
    *,
    account: tuple[str, str],
    now: float,
    host: str | None = None,
) -> int:
    """Post an event once, from the address `host`; return the HTTP status of the answer, or `NO_ANSWER`.

    Whether the vendor tries again is not known, so it is not done. `account` are the app_id and the key that sign.
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
            session.post(callback, data=form.encode(fields), headers=headers, allow_redirects=False) as answer,
        ):
            await answer.read()
            return answer.status
    except (aiohttp.ClientError, OSError, TimeoutError):
        return NO_ANSWER
