"""A reader by MQTT that takes ever new names, and leaves a session and a consumer behind with each of them."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gateway.office import jwt, streams
from gateway.office.set_up import set_up
from tests.fleet.cluster import HeadOffice
from tests.fleet.readers import EXAMPLES, ReaderProcess, write_reader_files
from tests.fleet.test_mqtt import READER, SHOP, open_mqtt

LIMIT = 8
NAMES = 3 * LIMIT
REFUSED = "Unspecified error"


@pytest.fixture
async def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HeadOffice]:
    monkeypatch.setattr(streams, "MQTT_SESSIONS", LIMIT)
    monkeypatch.setattr(jwt, "STREAM_CONSUMERS", LIMIT)
    folder = tmp_path / "office"
    folder.mkdir()
    made = HeadOffice(folder, SHOP, nodes=1)
    yield made
    await made.stop()


def leave_session(folder: Path, port: int, name: str, qos: int) -> str:
    """Subscribe with a session that stays, and go; return what the server says to that."""
    answers: list[str] = []
    client = Client(
        CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311, client_id=name, clean_session=False
    )
    client.tls_set(str(folder / "ca.pem"), str(folder / f"{READER}.pem"), str(folder / f"{READER}.key"))
    client.username_pw_set(READER, (folder / f"{READER}.jwt").read_text())

    def subscribe(client: Client, *_: object) -> None:
        client.subscribe("fleet/v1/+/event/#", qos)

    client.on_connect = subscribe
    client.on_subscribe = lambda *given: answers.append(str(given[3][0]))
    client.on_disconnect = lambda *given: answers.append(str(given[3]))
    client.connect("127.0.0.1", port)
    while not answers:
        client.loop(0.1)
    client.disconnect()
    return answers[0]


async def test_what_a_reader_leaves_behind_is_little_and_keeps_no_other_out(office: HeadOffice, tmp_path: Path) -> None:
    port = open_mqtt(office)
    await office.start()
    folder = await write_reader_files(office, READER, tmp_path / "files", mqtt=True)
    command = [sys.executable, str(EXAMPLES / "read_events_mqtt.py"), "127.0.0.1", str(port), str(folder), READER]
    reader = ReaderProcess(command, tmp_path / "reader.log")
    async with office.client() as client, office.client(SHOP) as shop:

        async def happen_until_read(text: str) -> None:
            while text not in reader.output:
                await shop.publish(f"fleet.v1.{SHOP}.event.x", f'{{"id": "{text}"}}'.encode())
                await asyncio.sleep(0.05)

        try:
            await reader.start()
            await happen_until_read("before")
            answers = [
                await asyncio.to_thread(leave_session, folder, port, f"name-{number}", number % 2)
                for number in range(NAMES)
            ]
            assert [*answers[:2], *answers[-2:]] == ["Granted QoS 0", "Granted QoS 1", "Granted QoS 0", REFUSED]
            found = {one.config.name: one.state for one in await client.jetstream(timeout=30).streams_info()}
            assert found["$MQTT_sess"].messages == LIMIT
            assert found["$MQTT_msgs"].consumer_count == LIMIT
            await happen_until_read("after")
            await reader.kill()
            await reader.start()
            await happen_until_read("again")
        finally:
            await reader.discard()


async def test_sessions_are_bounded_where_a_server_was_quicker(office: HeadOffice, tmp_path: Path) -> None:
    """As when all servers are new, and a reader comes before `office init` has run."""
    port = open_mqtt(office)
    await office.start()
    folder = await write_reader_files(office, READER, tmp_path / "files", mqtt=True)
    async with office.connect() as connected:
        await connected.jetstream.delete_stream("$MQTT_sess")
        assert await asyncio.to_thread(leave_session, folder, port, "first", 0) == "Granted QoS 0"
        assert (await connected.jetstream.stream_info("$MQTT_sess")).config.max_msgs == -1
        assert await set_up(connected) == ["$MQTT_sess"]
        assert (await connected.jetstream.stream_info("$MQTT_sess")).config.max_msgs == LIMIT
        assert await set_up(connected) == []
