"""A reader by MQTT that opens connections without end."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gateway.office import jwt
from gateway.office.readers import revoke_reader
from tests.fleet.cluster import HeadOffice
from tests.fleet.readers import write_reader_files
from tests.fleet.test_mqtt import READER, SHOP, count_by_type, open_mqtt

LIMIT = 8


@pytest.fixture
async def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HeadOffice]:
    monkeypatch.setattr(jwt, "OFFICE_CONNECTIONS", LIMIT)
    folder = tmp_path / "office"
    folder.mkdir()
    made = HeadOffice(folder, SHOP, nodes=1)
    yield made
    await made.stop()


def open_connection(folder: Path, port: int, name: str) -> Client | None:
    """Open a connection and keep it; None if it is refused."""
    answers: list[bool] = []
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311, client_id=name)
    client.tls_set(str(folder / "ca.pem"), str(folder / f"{READER}.pem"), str(folder / f"{READER}.key"))
    client.username_pw_set(READER, (folder / f"{READER}.jwt").read_text())
    client.on_connect = lambda *given: answers.append(not given[3].is_failure)
    client.on_disconnect = lambda *_: answers.append(False)
    client.connect("127.0.0.1", port)
    while not answers:
        client.loop(0.1)
    return client if answers[0] else None


async def test_its_connections_are_bounded_and_keep_no_shop_out(office: HeadOffice, tmp_path: Path) -> None:
    port = open_mqtt(office)
    await office.start()
    folder = await write_reader_files(office, READER, tmp_path / "files", mqtt=True)
    async with office.connect() as connected:
        opened: list[Client] = []
        while (client := await asyncio.to_thread(open_connection, folder, port, f"name-{len(opened)}")) is not None:
            opened.append(client)
        assert len(opened) == LIMIT - 1
        async with office.client(SHOP) as shop:
            await shop.flush()
        await revoke_reader(connected, READER)
        while (await count_by_type(connected))["mqtt"]:
            await asyncio.sleep(0.05)
        async with office.client() as another:
            await another.flush()
    for client in opened:
        if (sock := client.socket()) is not None:
            sock.close()
