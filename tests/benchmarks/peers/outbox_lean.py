"""The peer: a lean aiohttp handler that keeps orders in SQLite before it answers. Arguments: port, database, mode.

The mode is `group` (waiting requests share a commit) or `each` (one commit per request).
"""

import asyncio
import json
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

PORT, DATABASE, MODE = int(sys.argv[1]), sys.argv[2], sys.argv[3]
Waiting = list[tuple[str, str, "asyncio.Future[int]"]]


class Queue:
    """Orders in a table; `put` returns when the order is on the disk."""

    def __init__(self) -> None:
        self.writer = ThreadPoolExecutor(1)
        self.database = sqlite3.connect(DATABASE, isolation_level=None, check_same_thread=False)
        for statement in (
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = FULL",
            "CREATE TABLE IF NOT EXISTS item (sequence INTEGER PRIMARY KEY, order_no TEXT, body TEXT)",
        ):
            self.database.execute(statement)
        self.waiting: Waiting = []
        self.task: asyncio.Task[None] | None = None

    async def put(self, order_no: str, body: str) -> int:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.waiting.append((order_no, body, future))
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self.write())
        return await future

    async def write(self) -> None:
        loop = asyncio.get_running_loop()
        while self.waiting:
            count = len(self.waiting) if MODE == "group" else 1
            batch, self.waiting = self.waiting[:count], self.waiting[count:]
            for (_, _, future), sequence in zip(
                batch, await loop.run_in_executor(self.writer, self.commit, batch), strict=True
            ):
                future.set_result(sequence)

    def commit(self, batch: Waiting) -> list[int]:
        self.database.execute("BEGIN")
        insert = "INSERT INTO item (order_no, body) VALUES (?, ?)"
        sequences = [self.database.execute(insert, row[:2]).lastrowid or 0 for row in batch]
        self.database.execute("COMMIT")
        return sequences


async def accept(request: web.Request) -> web.Response:
    [order] = json.loads(await request.read())["order_list"]
    sequence = await request.app[QUEUE].put(order["order_no"], json.dumps(order))
    return web.json_response({"outbox_id": sequence, "state": "waiting"}, status=202)


QUEUE = web.AppKey("queue", Queue)
app = web.Application()
app[QUEUE] = Queue()
app.router.add_post("/api/v1/cloud/order/update", accept)
web.run_app(app, host="127.0.0.1", port=PORT, access_log=None, print=lambda *_: None)
