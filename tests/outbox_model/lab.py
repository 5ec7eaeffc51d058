"""The outbox on a real file, its relay, and a cloud over HTTPS, driven step by step from a test that does not wait."""

import asyncio
import io
import random
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from PIL import Image

from gateway.cloud.client import CloudClient
from gateway.outbox.batching import split
from gateway.outbox.item import OutboxItem
from gateway.outbox.outbox import Outbox
from gateway.outbox.table import read_members
from gateway.outbox.worker import OutboxWorker
from gateway.protocol import json_text
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Call
from gateway.protocol.parameters import FilePart
from gateway.runtime.clock import PeerClock
from gateway.settings import CloudSettings
from gateway.simulator.account import ACCOUNTS, SHOPS
from gateway.simulator.cloud import SimulatedCloud
from gateway.simulator.cloud_state import CloudState, LabelTemplate, ShelfLabel
from gateway.storage.uptime_table import Uptime
from tests.outbox.opened import OpenedOutbox

SHOP_ID: Final = next(iter(SHOPS))
LABELS: Final = ("101", "102")
TEMPLATES: Final = ("201", "202")
WITHIN_S: Final = 120.0


def _make_picture() -> bytes:
    file = io.BytesIO()
    Image.new("1", (212, 104), 1).save(file, "PNG")
    return file.getvalue()


_PICTURE: Final = _make_picture()
"""A picture for a label. What stands behind its end tells pictures apart."""


def made(path: str, arguments: Mapping[str, Any]) -> Call:
    """Encode a call; the text that stands for a picture becomes one."""
    endpoint = CATALOGUE.get("cloud", path)
    given, files = dict(arguments), {}
    if endpoint.takes_file:
        files["pic"] = FilePart("label.png", "image/png", _PICTURE + given.pop("pic").encode())
    return endpoint.encode(given, files=files, defaults={"shop_id": SHOP_ID})


class Lab:
    """A cloud that stays for many shops' lives; `begin` gives a new database and forgets what the cloud held."""

    def __init__(self, folder: Path) -> None:
        self.cloud = SimulatedCloud()
        self._folder = folder
        self._life = 0
        self.outbox: Outbox
        self.uptime: Uptime
        self._opened: OpenedOutbox
        self._client: CloudClient

    async def open(self) -> None:
        await self.cloud.start()
        ca_file = self._folder / "ca.pem"
        ca_file.write_text(self.cloud.ca_pem)
        app_id, secret_key = next(iter(ACCOUNTS.items()))
        self._settings = CloudSettings(
            base_url=self.cloud.base_url, ca_file=str(ca_file), app_id=app_id, secret_key=secret_key, shop_id=SHOP_ID
        )
        self._client = self._make_client()

    def _make_client(self) -> CloudClient:
        return CloudClient(self._settings, PeerClock(), timeout_s=5)

    async def close(self) -> None:
        await self._client.close()
        await self.cloud.stop()

    async def begin(self) -> None:
        # Hypothesis gives every history the same random numbers; the cloud refuses one that it has seen before.
        random.seed()
        self._life += 1
        self.cloud.state = CloudState(SHOPS)
        self.cloud.accepted.clear()
        self.cloud.faults.clear()
        shop = self.cloud.state.shops[SHOP_ID]
        shop.labels.update({one: ShelfLabel(one, f"SKDI39{one[-2:]}", f"B101194N000{one[-2:]}") for one in LABELS})
        shop.templates.update({one: LabelTemplate(one, f"template {one}", 1, 1, "{}") for one in TEMPLATES})
        await self._up()

    async def end(self) -> None:
        await self._opened.close()

    async def restart(self, running_s: float = 0.0) -> None:
        """Close and open everything; in between, the gateway has run for some time in another life."""
        await self.end()
        if running_s:
            with closing(sqlite3.connect(self._path)) as connection, connection:
                connection.execute("UPDATE uptime SET seconds = seconds + ?", (running_s,))
        await self._up()

    @property
    def _path(self) -> Path:
        return self._folder / f"gateway-{self._life}.db"

    async def _up(self) -> None:
        self._opened = await OpenedOutbox.open(self._path)
        self.outbox, self.uptime = self._opened.outbox, self._opened.uptime

    async def submit(
        self, path: str, arguments: Mapping[str, Any], token: str, key: str | None
    ) -> tuple[str, list[int]]:
        """Hand over a call; return its name in the outbox and the numbers of its items."""
        name = (await self.outbox.submit(made(path, arguments), token=token, idempotency_key=key)).outbox_id
        if not name.startswith("s"):
            return name, [int(name)]
        return name, await self._members(int(name[1:]))

    async def _members(self, submission: int) -> list[int]:
        """Return all numbers of a submission, also of items that were dropped since."""
        query = "SELECT items, members FROM submission WHERE id = ?"
        [row] = await self._opened.database.read(query, (submission,))
        return read_members(submission, row["items"], row["members"])

    async def edit(self, number: int, path: str, arguments: Mapping[str, Any]) -> None:
        shared, [item] = split(self.outbox.accounts.current.without_shop(made(path, arguments)))
        await self.outbox.edit(number, shared, item)

    async def drain(self) -> None:
        """Let a relay send until nothing waits."""
        await self._relayed(lambda: _until(lambda: self.outbox.depth == 0))

    async def fail_to_drain(self) -> None:
        """Let a relay find out that the cloud is away, if there is anything to send.

        It has no connection from before, which might be lost while a batch is sent: items that may have caused that go
        alone next time.
        """
        await self._client.close()
        self._client = self._make_client()
        await self.cloud.stop()
        try:
            await self._relayed(lambda: _until(lambda: self.outbox.depth == 0 or self.outbox.unreachable is not None))
        finally:
            await self.cloud.start()

    async def _relayed(self, wait: Callable[[], Awaitable[None]]) -> None:
        worker = OutboxWorker(self._client, self.outbox, self._opened.supervisor)
        worker.start()
        try:
            await wait()
            for _ in range(3):  # behind the relay's own last look for work
                await self.outbox.claim(lambda _: 0)
        finally:
            await worker.close()

    async def entries(self) -> list[OutboxItem]:
        found: list[OutboxItem] = []
        after: int | None = 0
        while after is not None:
            page, after = await self.outbox.list_items(after=after, limit=500)
            found += page
        return found

    def request_paths(self) -> dict[str, list[Any]]:
        """Return the orders and pictures that the cloud took, by their key, as they came."""
        found: dict[str, list[Any]] = {}
        for request in self.cloud.accepted:
            if request.path == "order/update":
                for order in json_text.loads(request.fields["order_list"]):
                    found.setdefault(f"order:{order['order_no']}", []).append(order)
            elif request.path == "device/esl/pushImage":
                picture = request.files["pic"].data.removeprefix(_PICTURE).decode()
                found.setdefault(f"label:{request.fields['esl_id']}", []).append(picture)
            elif request.path == "device/esl/flashLed":
                found.setdefault(f"flash:{request.fields['esl_id']}", []).append(request.fields["channel"])
        return found


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):  # noqa: TID251  an example that fails is made smaller
        while not condition():  # a person looking at the depth sees no more
            await asyncio.sleep(0.002)
