"""The peer: a plain loop that sends queued orders from SQLite. Arguments: cloud URL, CA file, database, mode.

The mode is `one` (one order in each request) or `batch` (up to 1 MB in each); one kept-alive connection, one request
after the other, each signed, and what the cloud took is deleted with a commit before the next. Prints JSON.
"""

import asyncio
import hashlib
import json
import random
import sqlite3
import ssl
import sys
import time
from urllib.parse import urlencode

import aiohttp

URL, CA_FILE, DATABASE, MODE = sys.argv[1:5]
APP_ID, SECRET_KEY, SHOP_ID = "EF3OG8R5B32X0", "kdsofkdsnflke9382938k", "10096"
MOST = 1024 * 1024 - 1024


def body_of(orders: list[str]) -> bytes:
    fields = {
        "app_id": APP_ID,
        "order_list": f"[{','.join(orders)}]",
        "random": str(random.randrange(10**9, 10**10)),
        "shop_id": SHOP_ID,
        "timestamp": str(int(time.time())),
    }
    text = "&".join(f"{name}={value}" for name, value in sorted(fields.items())) + f"&key={SECRET_KEY}"
    fields["sign"] = hashlib.md5(text.encode()).hexdigest().upper()  # noqa: S324  the vendor's
    return urlencode(fields).encode()


def next_batch(database: sqlite3.Connection) -> tuple[int, list[str]]:
    """Return the last sequence number and the orders of the next request; as form data each grows by its quotes."""
    rows = database.execute(
        "SELECT sequence, body FROM item ORDER BY sequence LIMIT ?", (1 if MODE == "one" else 4000,)
    )
    size, last = 0, 0
    orders: list[str] = []
    for sequence, text in rows:
        size += len(urlencode({"": text})) + 2
        if orders and size > MOST:
            break
        last = sequence
        orders.append(text)
    return last, orders


async def main() -> None:
    database = sqlite3.connect(DATABASE, isolation_level=None)
    database.execute("PRAGMA synchronous = FULL")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=CA_FILE), limit=1)
    began, worked, sent = time.monotonic(), time.process_time(), 0
    async with aiohttp.ClientSession(connector=connector) as session:
        while True:
            last, orders = next_batch(database)
            if not orders:
                break
            async with session.post(f"{URL}/order/update", data=body_of(orders), headers=headers) as response:
                answer = json.loads(await response.read())
                assert answer["code"] == 0, answer
            database.execute("DELETE FROM item WHERE sequence <= ?", (last,))
            sent += len(orders)
    print(json.dumps({"orders": sent, "seconds": time.monotonic() - began, "cpu_s": time.process_time() - worked}))


asyncio.run(main())
