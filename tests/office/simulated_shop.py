"""Shops that follow the head office as a gateway does, over the gateway's own connection, and do nothing else."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.fleet.connection import FleetConnection, ReceivedMessage
from gateway.fleet.documents import CommandRequest, CommandResponse, DesiredAnswer, DesiredReport, ShopRecord
from gateway.fleet.failures import HeadOfficeUnavailable
from gateway.fleet.subjects import (
    CHAIN_KEY,
    DESIRED,
    REPORTED,
    SHOPS,
    bucket_subject,
    command_subject,
    group_key,
    shop_key,
)
from gateway.fleet_settings import FleetSettings
from gateway.office.bucket import Bucket
from gateway.office.nkey import KeyKind, encode_public_key
from gateway.office.office import Office
from gateway.protocol import json_text
from tests.fleet.cluster import HeadOffice, issue

LOOK_INTERVAL_S = 0.2
NOW = "2026-11-29T12:00:00Z"
Act = Callable[[str, CommandRequest], CommandResponse]


class SimulatedShop:
    """A shop that has joined."""

    def __init__(self, name: str, settings: FleetSettings, groups: tuple[str, ...]) -> None:
        self.name = name
        self.groups = groups
        self.refused: dict[str, tuple[str, str]] = {}
        """Outcome and reason by part that it does not take."""
        self.silent = False
        """Whether it answers nothing."""
        self.stopped = False
        """Whether it follows no more."""
        self.values: dict[str, Any] = {}
        """What it has taken, by part."""
        self._reported: DesiredReport | None = None
        self.act: Act = lambda _, request: CommandResponse(id=request.id, outcome="done")
        self.commands: list[tuple[str, CommandRequest]] = []
        self._settings = settings
        self._connection: FleetConnection | None = None
        self._changed = asyncio.Event()

    async def connect(self) -> None:
        """Connect, again and again as a gateway does, and follow the head office from now on: `follow` does it."""
        while True:
            try:
                self._connection = connection = await FleetConnection.open(self._settings, on_lost=self._changed.set)
                break
            except HeadOfficeUnavailable:  # this server is not ready for it
                await asyncio.sleep(0.1)
        for key in (CHAIN_KEY, group_key("*"), shop_key(self.name)):
            await connection.subscribe(bucket_subject(DESIRED, key), lambda _: self._changed.set())
        await connection.subscribe(command_subject(self.name), self._take)
        self._reported = None  # these servers may have been put back to an earlier state
        self._changed.set()

    async def disconnect(self) -> None:
        connection, self._connection = self._connection, None  # so that nobody connects again meanwhile
        if connection is not None:
            await connection.close()

    async def report(self, **state: Any) -> None:
        """Report its state."""
        document = {"version": "1.0.0", "cameras": [], "outbox": {"depth": 0}, "failing": {}, "time": NOW} | state
        await self._report(self.name, document)

    async def report_findings(self, *findings: dict[str, str]) -> None:
        await self._report(f"{self.name}.findings", {"findings": [*findings], "time": NOW})

    async def follow(self) -> None:
        """Answer every change of the desired state until it is stopped."""
        while not self.stopped:  # the client library can lose a cancellation
            with contextlib.suppress(TimeoutError):  # a message can arrive before the stream has it: it looks again
                async with asyncio.timeout(LOOK_INTERVAL_S):  # noqa: TID251  a pause, no time limit
                    await self._changed.wait()
            self._changed.clear()
            with contextlib.suppress(HeadOfficeUnavailable):  # it was disconnected meanwhile, or the server died
                if self._connection is not None and not self._connection.is_open:
                    await self.connect()
                if self._connection is not None and not self.silent:
                    await self._answer(self._connection)

    async def _answer(self, connection: FleetConnection) -> None:
        revisions: dict[str, int] = {}
        wanted: dict[str, Any] = {}
        for key in (CHAIN_KEY, *map(group_key, self.groups), shop_key(self.name)):
            stored = await connection.read_message(f"KV_{DESIRED}", bucket_subject(DESIRED, key))
            if stored is not None:
                revisions[key] = stored.revision
                wanted |= _list_parts(json_text.loads(stored.payload or b"{}"))
        answers = {}
        for part in wanted:
            outcome, reason = self.refused.get(part, ("applied", ""))
            answers[part] = DesiredAnswer.model_validate({"outcome": outcome, "reason": reason})
        self.values = {part: value for part, value in wanted.items() if part not in self.refused}
        report = DesiredReport(revisions=revisions, answers=answers, time=NOW)
        if report != self._reported:
            await self._put(connection, f"{self.name}.desired", report.model_dump(mode="json"))
            self._reported = report

    async def _report(self, key: str, document: Mapping[str, Any]) -> None:
        assert self._connection is not None
        await self._put(self._connection, key, document)

    async def _put(self, connection: FleetConnection, key: str, document: Mapping[str, Any]) -> None:
        await connection.publish(bucket_subject(REPORTED, key), json_text.dumps(document).encode())

    def _take(self, received: ReceivedMessage) -> None:
        name, request = received.subject.rpartition(".")[2], CommandRequest.model_validate_json(received.payload)
        self.commands.append((name, request))
        response = self.act(name, request)
        connection = self._connection
        if connection is None:
            return
        asyncio.get_running_loop().create_task(
            connection._client.publish(received.reply, response.model_dump_json().encode())
        )


def _list_parts(document: dict[str, Any]) -> dict[str, Any]:
    parts = {
        f"settings.{section}.{key}": value
        for section, values in document.get("settings", {}).items()
        for key, value in values.items()
    }
    parts |= {f"templates.{name}": value for name, value in document.get("templates", {}).items()}
    return parts | {name: document[name] for name in ("products", "version") if name in document}


@contextlib.asynccontextmanager
async def simulate_shops(
    head: HeadOffice, office: Office, folder: Path, names: Mapping[str, tuple[str, ...]], *, connected: bool = True
) -> AsyncIterator[dict[str, SimulatedShop]]:
    """Let shops join that are in these groups, and follow the head office until the end."""
    shops: dict[str, SimulatedShop] = {}
    for name, groups in names.items():
        files = issue(head.chain, name, folder)
        settings = FleetSettings.model_validate({"servers": head.servers, "shop": name} | files._asdict())
        shops[name] = SimulatedShop(name, settings, groups)
        await put_record(office, name, state="joined", groups=groups, public_key=read_public_key(files.private_key))
    async with asyncio.TaskGroup() as group:
        if connected:
            await asyncio.gather(*(shop.connect() for shop in shops.values()))
        tasks = [group.create_task(shop.follow()) for shop in shops.values()]
        try:
            yield shops
        finally:
            for shop, task in zip(shops.values(), tasks, strict=True):
                shop.stopped = True
                task.cancel()
            for shop in shops.values():
                await shop.disconnect()


async def put_record(office: Office, name: str, **record: Any) -> None:
    """Put the record of a shop into the bucket, whatever is there."""
    bucket = Bucket(office, SHOPS)
    value = ShopRecord.model_validate({"since": NOW} | record).model_dump_json().encode()
    await bucket.put(name, value, (await bucket.get(name)).revision)


def read_public_key(file: str) -> str:
    """Return the public key of a user's key file, as the servers write it."""
    key = load_pem_private_key(Path(file).read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    return encode_public_key(KeyKind.U, key.public_key().public_bytes_raw())
