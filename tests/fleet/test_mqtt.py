"""The events of a chain over MQTT 3.1.1, by a real client at the servers' own port."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gateway.events.event import NewEvent
from gateway.office.connections import read_connections
from gateway.office.office import Office
from gateway.office.readers import revoke_reader
from gateway.simulator.ports import find_free_port
from tests.fleet.asyncapi_document import ChainDocument
from tests.fleet.cluster import HeadOffice
from tests.fleet.conftest import Open
from tests.fleet.readers import EXAMPLES, ReaderProcess, write_reader_files
from tests.fleet.test_hostile_events import publish_everything

SHOP, READER = "shop-1", "sensors"


def open_mqtt(office: HeadOffice) -> int:
    """Let the first server listen for MQTT; return the port."""
    port = find_free_port()
    office.chain.plan = office.chain.plan.model_copy(update={"mqtt_port": port})
    office.chain.write_servers()
    return port


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[HeadOffice]:
    folder = tmp_path / "office"
    folder.mkdir()
    made = HeadOffice(folder, SHOP, nodes=1)
    yield made
    await made.stop()


def try_mqtt(folder: Path, port: int, version: MQTTProtocolVersion, topic: str = "") -> str:
    """Connect with another client, and subscribe if there is a topic; return what the server says to the last."""
    answers: list[str] = []
    client = Client(CallbackAPIVersion.VERSION2, protocol=version)
    client.tls_set(str(folder / "ca.pem"), str(folder / f"{READER}.pem"), str(folder / f"{READER}.key"))
    client.username_pw_set(READER, (folder / f"{READER}.jwt").read_text())
    client.on_connect = lambda _, __, ___, reason, ____: answers.append(str(reason))
    client.on_subscribe = lambda _, __, ___, reasons, ____: answers.append(str(reasons[0]))
    client.connect("127.0.0.1", port)
    while not answers:
        client.loop(0.1)
    if topic:
        client.subscribe(topic)
        while len(answers) < 2:
            client.loop(0.1)
    client.disconnect()
    return answers[-1]


def send_wrong(folder: Path, port: int, qos: int) -> None:
    """Publish what would change what all shops are to have, and leave it as a will, too; go without a word."""
    client = Client(
        CallbackAPIVersion.VERSION2,
        protocol=MQTTProtocolVersion.MQTTv311,
        client_id=f"wrong-{qos}",
        clean_session=False,
    )
    client.tls_set(str(folder / "ca.pem"), str(folder / f"{READER}.pem"), str(folder / f"{READER}.key"))
    client.username_pw_set(READER, (folder / f"{READER}.jwt").read_text())
    will_qos = min(qos, 1)  # a will with 2 is refused
    client.will_set("$KV/desired/chain", "{}", will_qos, retain=True)
    ended: list[bool] = []

    def publish(client: Client, *_: object) -> None:
        client.publish("$KV/desired/chain", "{}", qos, retain=True)

    client.on_connect = publish
    client.on_publish = lambda *_: ended.append(True)
    client.on_disconnect = lambda *_: ended.append(True)
    client.connect("127.0.0.1", port)
    while not ended:
        client.loop(0.1)
    if (sock := client.socket()) is not None:
        sock.close()


async def count_stored(office: HeadOffice) -> dict[str, int]:
    async with office.client() as client:
        streams = await client.jetstream(timeout=30).streams_info()
    return {str(one.config.name): one.state.messages for one in streams if one.config.name != "$MQTT_sess"}


async def revoke(office: HeadOffice, reader: ReaderProcess) -> None:
    """Revoke a reader that is connected; return when its connection has ended."""
    async with office.connect() as connected:
        assert (await count_by_type(connected))["mqtt"] == 1
        # What it calls itself proves nothing: so it could look like a shop.
        assert READER not in (await read_connections(connected)).since
        await revoke_reader(connected, READER)
        while (await count_by_type(connected))["mqtt"]:
            await asyncio.sleep(0.05)
    await reader.kill()


async def count_by_type(office: Office) -> Counter[str]:
    """Return how many connections of each type the server has."""
    response = await office.observer.request("$SYS.REQ.SERVER.PING.CONNZ", b"{}", timeout=60)
    return Counter(one["type"] for one in json.loads(response.data)["data"]["connections"])


async def test_events_arrive_over_mqtt_while_the_reader_is_there(
    office: HeadOffice, open_gateway: Open, tmp_path: Path
) -> None:
    port = open_mqtt(office)
    await office.start()
    folder = await write_reader_files(office, READER, tmp_path / "files", mqtt=True)
    command = [sys.executable, str(EXAMPLES / "read_events_mqtt.py"), "127.0.0.1", str(port), str(folder), READER]
    reader = ReaderProcess(command, tmp_path / "reader.log")
    gateway = await open_gateway(office.settings(SHOP))

    async def happen(text: str) -> None:
        await gateway.event_log.append(NewEvent("motion.detected", "cloud", {"vendor_event": 1010, "video_url": text}))

    async def happen_until_read(text: str) -> None:
        while f'"{text}"' not in reader.output:
            await happen(text)
            await asyncio.sleep(0.05)

    await reader.start()
    await happen_until_read("first")
    await reader.kill()
    answers = [await asyncio.to_thread(try_mqtt, folder, port, MQTTProtocolVersion.MQTTv5)]
    for topic in ("fleet/v1/+/event/#", "fleet/v1/+/command/#"):
        answers.append(await asyncio.to_thread(try_mqtt, folder, port, MQTTProtocolVersion.MQTTv311, topic))
    assert answers == ["Unsupported protocol version", "Granted QoS 0", "Unspecified error"]
    before = await count_stored(office)
    for qos in (0, 1, 2):
        await asyncio.to_thread(send_wrong, folder, port, qos)
    async with office.connect() as connected:
        while (await count_by_type(connected))["mqtt"]:
            await asyncio.sleep(0.05)
    assert await count_stored(office) == before
    refused = (
        (office.nodes[0].folder / "server.log").read_text().count('Publish Violation - Subject "$KV.desired.chain"')
    )
    assert refused == 5, "what was published with QoS 0 and 1, and three wills"
    await happen("while away")
    async with office.client() as client:
        while (await client.jetstream().stream_info("events")).state.messages < gateway.event_log.last_published:
            await asyncio.sleep(0.01)
    await reader.start()
    await happen_until_read("again")
    await publish_everything(office)
    await happen_until_read("last")
    await revoke(office, reader)
    assert "while away" not in reader.output
    assert await asyncio.to_thread(try_mqtt, folder, port, MQTTProtocolVersion.MQTTv311) == "Not authorized"
    document = ChainDocument()
    lines = [line for line in reader.output.splitlines() if line.startswith(f"fleet/v1/{SHOP}/event/motion/detected ")]
    assert len(lines) >= 2
    for line in lines:
        topic, _, payload = line.partition(" ")
        assert document.find_channel(topic) == "eventsByMqtt"
        assert document.find_mistake(topic, None, payload.encode()) is None
