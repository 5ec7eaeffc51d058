"""The peer: a lean aiohttp handler that keeps orders in SQLite before it answers. Arguments: port, database, mode.

The mode is `group` (waiting requests share a commit), `each` (one commit per request), or `known`: a group commit that
also looks the token up by its hash and knows a repeat by its content, as a till needs it.
"""

import asyncio
import hashlib
import json
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

PORT, DATABASE, MODE = int(sys.argv[1]), sys.argv[2], sys.argv[3]
TOKENS: dict[str, str] = {}
Row = tuple[str, str | None, str]
Waiting = list[tuple[Row, "asyncio.Future[int]"]]


class Queue:
    """Orders in a table; `put` returns when the order is on the disk."""

    def __init__(self) -> None:
        self.writer = ThreadPoolExecutor(1)
        self.database = sqlite3.connect(DATABASE, isolation_level=None, check_same_thread=False)
        for statement in (
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = FULL",
            "CREATE TABLE item (sequence INTEGER PRIMARY KEY, order_no TEXT, identity TEXT UNIQUE, body TEXT)",
        ):
            self.database.execute(statement)
        self.waiting: Waiting = []
        self.task: asyncio.Task[None] | None = None

    async def put(self, row: Row) -> int:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.waiting.append((row, future))
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self.write())
        return await future

    async def write(self) -> None:
        loop = asyncio.get_running_loop()
        while self.waiting:
            count = 1 if MODE == "each" else len(self.waiting)
            batch, self.waiting = self.waiting[:count], self.waiting[count:]
            sequences = await loop.run_in_executor(self.writer, self.commit, [row for row, _ in batch])
            for (_, future), sequence in zip(batch, sequences, strict=True):
                future.set_result(sequence)

    def commit(self, rows: list[Row]) -> list[int]:
        self.database.execute("BEGIN")
        insert = "INSERT OR IGNORE INTO item (order_no, identity, body) VALUES (?, ?, ?)"
        sequences = [self.database.execute(insert, row).lastrowid or 0 for row in rows]
        self.database.execute("COMMIT")
        return sequences


async def accept(request: web.Request) -> web.Response:
    raw = await request.read()
    identity = None
    if MODE == "known":
        token = request.headers["Authorization"].removeprefix("Bearer ")
        TOKENS.setdefault(hashlib.sha256(token.encode()).hexdigest(), "till")
        identity = hashlib.sha256(raw).hexdigest()
    [order] = json.loads(raw)["order_list"]
    sequence = await request.app[QUEUE].put((order["order_no"], identity, json.dumps(order)))
    return web.json_response({"outbox_id": sequence, "state": "waiting"}, status=202)


QUEUE = web.AppKey("queue", Queue)
app = web.Application()
app[QUEUE] = Queue()
app.router.add_post("/api/v1/cloud/order/update", accept)
web.run_app(app, host="127.0.0.1", port=PORT, access_log=None, print=lambda *_: None)
