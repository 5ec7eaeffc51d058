"""An outbox over a real database, opened and closed as a life of the gateway does, and calls handed over to it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gateway.outbox.account import Account
from gateway.outbox.item import OutboxItem
from gateway.outbox.outbox import Outbox
from gateway.protocol.endpoint import Call
from gateway.runtime.supervisor import Supervisor
from gateway.simulator.account import APP_ID, SHOPS
from gateway.storage.database import Database
from gateway.storage.uptime_table import Uptime

ACCOUNT = Account("https://cloud.invalid/openapi", APP_ID, next(iter(SHOPS)), "")


@dataclass
class OpenedOutbox:
    """One life of the outbox."""

    database: Database
    supervisor: Supervisor
    uptime: Uptime
    outbox: Outbox

    @classmethod
    async def open(cls, path: Path, *, max_bytes: int = 1 << 30, account: Account = ACCOUNT) -> Self:
        database = await Database.open(path)
        supervisor = Supervisor()
        uptime = await Uptime.open(database, supervisor)
        outbox = await Outbox.open(database, uptime, supervisor, account, max_bytes=max_bytes)
        return cls(database, supervisor, uptime, outbox)

    async def close(self) -> None:
        await self.outbox.close()
        await self.supervisor.close()
        await self.database.close()


async def submit(outbox: Outbox, call: Call, *, token: str = "", key: str | None = None) -> list[int]:
    """Hand over a call; return the numbers of its items."""
    name = (await outbox.submit(call, token=token, idempotency_key=key)).outbox_id
    if not name.startswith("s"):
        return [int(name)]
    return [item.sequence for item in await outbox.submission(int(name[1:]))]


async def all_items(outbox: Outbox) -> list[OutboxItem]:
    return (await outbox.list_items(limit=10_000))[0]
