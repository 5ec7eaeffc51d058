"""What the servers let a shop do, and what they refuse: asked of a real server."""

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import nats.errors
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from gateway.fleet.connection import FleetConnection
from gateway.fleet.credentials import load_credentials, make_trust
from gateway.office import jwt
from tests.fleet.cluster import HeadOffice, Node, issue, make_chain
from tests.office.others_subjects import OTHERS_SUBJECTS
from tests.waiting import until

SHOP = "shop-1"
CONTENT_META = "$JS.API.DIRECT.GET.OBJ_content.$O.content.M.bmFtZQ=="


def is_refused(office: HeadOffice, kind: str, subject: str) -> bool:
    return any(f'permissions violation for {kind} to "{subject.lower()}"' in text.lower() for text in office.reported)


@pytest.mark.parametrize(
    "subject",
    [
        "fleet.v1.shop-2.event.camera.motion",
        "fleet.v1.shop-2.flow.2026-11-20",
        "fleet.v1.shop-2.present",
        "fleet.v1.shop-2.command.doctor",
        "fleet.v1.shop-1.command.doctor",
        "$KV.reported.shop-2",
        "$KV.reported.shop-2.findings",
        "$KV.reported.shop-1.more",
        "fleet.v1.shop-2.response.1",
        "$KV.desired.shop.shop-1",
        "$KV.shops.shop-1",
        "$KV.rollouts.shop-1",
        "$KV.office.account",
        "office.audit",
        "$O.content.C.a",
        "$JS.API.DIRECT.GET.events.fleet.v1.shop-2.event.>",
        "$JS.API.DIRECT.GET.events",
        "$JS.API.DIRECT.GET.audit",
        "$JS.API.DIRECT.GET.KV_shops.$KV.shops.shop-1",
        "$JS.API.DIRECT.GET.KV_office.$KV.office.account",
        "$JS.API.DIRECT.GET.KV_tokens.$KV.tokens.>",
        "$JS.API.DIRECT.GET.KV_desired.$KV.desired.shop.shop-2",
        "$JS.API.DIRECT.GET.KV_reported.$KV.reported.shop-2",
        "$JS.API.STREAM.MSG.GET.events",
        "$JS.API.STREAM.INFO.events",
        "$JS.API.STREAM.NAMES",
        "$JS.API.STREAM.PURGE.events",
        "$JS.API.STREAM.DELETE.events",
        "$JS.API.CONSUMER.CREATE.events",
        "$JS.API.CONSUMER.CREATE.events.mine.fleet.v1.shop-1.event.>",
        "$SYS.REQ.CLAIMS.UPDATE",
        "_INBOX_shop-2.acknowledged.1",
        "_INBOX.anything",
    ],
)
async def test_a_shop_may_not_publish(office: HeadOffice, subject: str) -> None:
    office.reported.clear()
    async with office.client(SHOP) as client:
        await client.publish(subject, b"{}")
        await until(lambda: is_refused(office, "publish", subject))


@pytest.mark.parametrize(
    "subject",
    [
        ">",
        "fleet.v1.>",
        "fleet.v1.*.event.>",
        "fleet.v1.shop-2.present",
        "fleet.v1.shop-2.command.*",
        "fleet.v1.shop-1.response.>",
        "$KV.desired.>",
        "$KV.desired.shop.shop-2",
        "$KV.shops.>",
        "$KV.reported.shop-1",
        "_INBOX.>",
        "_INBOX_shop-2.>",
        "*.>",
        "$SYS.>",
        "$JS.EVENT.>",
    ],
)
async def test_a_shop_may_not_listen(office: HeadOffice, subject: str) -> None:
    office.reported.clear()
    async with office.client(SHOP) as client:
        await client.subscribe(subject)
        await until(lambda: is_refused(office, "subscription", subject))


async def request(client: Client, subject: str, content: bytes = b"") -> bytes:
    return (await client.request(subject, content, timeout=60)).data


async def hear(listening: Subscription, sender: Client, subject: str, content: bytes, reply: str = "") -> Msg:
    """Send a message until it is heard: a server that has just started loses one for a listener that is new."""
    while True:
        await sender.publish(subject, content, reply)
        with contextlib.suppress(nats.errors.TimeoutError):
            return await listening.next_msg(timeout=1)


async def test_a_shop_may_do_what_it_needs(office: HeadOffice) -> None:
    async with office.client(SHOP) as shop, office.client() as chain:
        for subject in ("fleet.v1.shop-1.event.camera.motion", "fleet.v1.shop-1.flow.2026-11-20"):
            assert "error" not in json.loads(await request(shop, subject, b"{}"))
        for key in ("shop-1", "shop-1.findings", "shop-1.desired"):
            assert "error" not in json.loads(await request(shop, f"$KV.reported.{key}", b"{}"))
        for key in ("chain", "group.north", "shop.shop-1"):
            listening = await shop.subscribe(f"$KV.desired.{key}")
            await shop.flush()
            await request(chain, f"$KV.desired.{key}", key.encode())
            assert (await hear(listening, chain, f"$KV.desired.{key}", key.encode())).data == key.encode()
            assert await request(shop, f"$JS.API.DIRECT.GET.KV_desired.$KV.desired.{key}") == key.encode()
        assert await request(shop, "$JS.API.DIRECT.GET.events.fleet.v1.shop-1.event.>") == b"{}"
        await request(chain, "$O.content.M.bmFtZQ==", b"meta")
        assert await request(shop, CONTENT_META) == b"meta"


async def test_a_shop_responds_at_subjects_of_its_own(office: HeadOffice) -> None:
    async with office.client(SHOP) as shop, office.client() as chain:
        commands = await shop.subscribe("fleet.v1.shop-1.command.*")
        responses = await chain.subscribe("fleet.v1.*.response.>")
        await chain.flush()
        await shop.flush()
        reply = "fleet.v1.shop-1.response.of-the-office.1"
        command = await hear(commands, chain, "fleet.v1.shop-1.command.doctor", b"?", reply)
        assert command.reply == reply
        assert (await hear(responses, shop, command.reply, b"done")).data == b"done"
        command = await hear(commands, chain, "fleet.v1.shop-1.command.doctor", b"?", "_INBOX.of-the-office")
        office.reported.clear()
        await shop.publish(command.reply, b"done")
        await until(lambda: is_refused(office, "publish", "_INBOX.of-the-office"))


async def count_messages(chain: Client) -> dict[str, int]:
    return {str(one.config.name): one.state.messages for one in await chain.jetstream(timeout=30).streams_info()}


async def test_a_shop_cannot_take_away_what_others_reported(office: HeadOffice) -> None:
    async with office.client(SHOP) as shop, office.client() as chain:
        await request(chain, "$KV.reported.shop-2", b"{}")
        response = await shop.request("$KV.reported.shop-1", b"{}", timeout=60, headers={"Nats-Rollup": "all"})
        assert b"rollup not permitted" in response.data
        assert await request(chain, "$JS.API.DIRECT.GET.KV_reported.$KV.reported.shop-2") == b"{}"


@pytest.fixture(scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[HeadOffice]:
    office = HeadOffice(tmp_path_factory.mktemp("cluster"), SHOP, nodes=3)
    try:
        await office.start()
        yield office
    finally:
        await office.stop()


async def test_a_shop_cannot_have_a_server_send_for_it(cluster: HeadOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream answers to whatever subject the sender of a message names: what it was sent before, if it is read."""
    heard: list[str] = []

    async def note(received: Msg) -> None:
        heard.append(received.subject)

    async with cluster.client() as chain:
        for subject in OTHERS_SUBJECTS:
            await chain.subscribe(subject, cb=note)
        await chain.flush()
        for server in cluster.servers:  # each can be the one that has a stream
            monkeypatch.setattr(HeadOffice, "servers", [server])
            async with cluster.client(SHOP) as shop:
                await request(shop, "fleet.v1.shop-1.event.mine", b'{"settings": {"server": {"port": 1}}}')
                before = await count_messages(chain)
                for subject in OTHERS_SUBJECTS:
                    await shop.publish("$JS.API.DIRECT.GET.events.fleet.v1.shop-1.event.mine", b"", reply=subject)
                    await shop.publish("$KV.reported.shop-1", b"{}", reply=subject)
                    await shop.publish("$KV.reported.shop-1", b"{}", headers={"Nats-Trace-Dest": subject})
                await request(shop, "$KV.reported.shop-1", b"{}")
                await request(shop, "$JS.API.DIRECT.GET.events.fleet.v1.shop-1.event.mine")
                assert await count_messages(chain) == before | {"KV_reported": 1}
            monkeypatch.undo()
    assert heard == []


async def test_a_shop_cannot_allow_itself_a_subject(office: HeadOffice) -> None:
    """What it sends to itself gives it no right to respond wherever it likes."""
    async with office.client(SHOP) as shop:
        present = await shop.subscribe("fleet.v1.shop-1.present")
        await shop.flush()
        for subject in OTHERS_SUBJECTS:
            await hear(present, shop, "fleet.v1.shop-1.present", b"{}", subject)
            office.reported.clear()
            await shop.publish(subject, b"{}")
            await until(lambda: is_refused(office, "publish", subject))  # noqa: B023  it is awaited here


async def test_nobody_knows_where_a_shop_gets_its_acknowledgements(office: HeadOffice) -> None:
    """Another shop could have its own acknowledgement sent there, and an event that is not stored taken for stored."""
    opened = [await FleetConnection.open(office.settings(SHOP), on_lost=lambda: None) for _ in range(2)]
    inboxes = {connection._inbox for connection in opened}
    for connection in opened:
        await connection.close()
    assert len(inboxes) == 2
    assert all(len(one) >= len("_INBOX_shop-1.") + 32 for one in inboxes)


async def test_who_is_not_of_the_chain_is_refused(office: HeadOffice, tmp_path: Path) -> None:
    own = issue(office.chain, SHOP, tmp_path)
    folder = tmp_path / "other"
    other_chain = make_chain(folder, 1)
    theirs = issue(other_chain, SHOP, folder)
    await office.connect_once(load_credentials(own))
    for files in (
        theirs._replace(ca_file=own.ca_file),
        own._replace(user_jwt=theirs.user_jwt),
        own._replace(certificate=theirs.certificate, private_key=theirs.private_key),
    ):
        with pytest.raises((OSError, nats.errors.Error)):
            await office.connect_once(load_credentials(files))


async def test_without_a_certificate_nobody_gets_in(office: HeadOffice, tmp_path: Path) -> None:
    own = issue(office.chain, SHOP, tmp_path)
    credentials = load_credentials(own)._replace(tls=make_trust(own.ca_file))
    with pytest.raises((OSError, nats.errors.Error)):
        await office.connect_once(credentials)


async def test_shops_cannot_keep_the_head_office_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All shops together have a limit: one of them could take every connection that a server has."""
    monkeypatch.setattr(jwt, "SHOPS_CONNECTIONS", 2)
    office = HeadOffice(tmp_path, SHOP, nodes=1)
    issued = issue(office.chain, SHOP, tmp_path)
    await office.start()
    try:
        async with office.client(SHOP), office.client(SHOP):
            with pytest.raises(nats.errors.Error, match="maximum account active connections exceeded"):
                await office.connect_once(load_credentials(issued))
            async with office.connect() as connected:
                await connected.read_time()
    finally:
        await office.stop()


def speak_to_cluster(port: int, tls: ssl.SSLContext, login: dict[str, str]) -> bytes:
    """Come as another server would; return what the server says first."""
    connect = {"verbose": False, "pedantic": False, "name": "shop", "cluster": "chain", **login}
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        tls.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        secure.sendall(b"CONNECT " + json.dumps(connect).encode() + b"\r\nPING\r\n")
        said = b""
        while not said.endswith((b"PONG\r\n", b"Violation'\r\n")):
            said += secure.recv(65536)
        return said


async def test_a_shop_does_not_pass_for_a_server(tmp_path: Path) -> None:
    """A certificate of the chain is good for TLS between the servers; what is behind that wants a password."""
    chain = make_chain(tmp_path / "chain", 3)
    tls = load_credentials(issue(chain, SHOP, tmp_path)).tls
    place = chain.plan.places[0]
    folder = chain.server_folder(place.name)
    settings = json.loads((folder / "server.conf").read_text())["cluster"]["authorization"]
    node = Node(folder)
    await node.start()
    try:
        await until(lambda: b"Listening for route connections" in (folder / "server.log").read_bytes())
        for password, refused in (("", True), ("wrong", True), (settings["password"], False)):
            login = {"user": settings["user"], "pass": password}
            said = await asyncio.to_thread(speak_to_cluster, place.cluster_port, tls, login)
            assert (b"Authorization Violation" in said) == refused, said
    finally:
        await node.kill()
