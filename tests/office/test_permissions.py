"""What the servers let a shop do, and what they refuse: asked of a real server."""

import asyncio
import contextlib
import json
import socket
import ssl
from pathlib import Path

import nats.errors
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from gateway.fleet.credentials import load_credentials, make_trust
from tests.fleet.cluster import HeadOffice, Node, issue, make_chain
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


async def test_a_shop_responds_to_a_command_once(office: HeadOffice) -> None:
    async with office.client(SHOP) as shop, office.client() as chain:
        commands = await shop.subscribe("fleet.v1.shop-1.command.*")
        await shop.flush()
        while True:  # a server that has just started can also forget who may respond
            command = await hear(commands, chain, "fleet.v1.shop-1.command.doctor", b"?", "_INBOX.of-the-office")
            responses = await chain.subscribe("_INBOX.of-the-office")
            await chain.flush()
            await shop.publish(command.reply, b"first")
            await shop.publish(command.reply, b"second")
            with contextlib.suppress(nats.errors.TimeoutError):
                assert (await responses.next_msg(timeout=1)).data == b"first"
                break
        await until(lambda: is_refused(office, "publish", "_INBOX.of-the-office"))


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
