"""A head office: three NATS servers on loopback, set up by the code that sets up a chain."""

import asyncio
import contextlib
import datetime
import json
import random
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

import nats.errors
import nats.js.errors
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from nats.aio.client import Client

from gateway.fleet.client import FleetClient
from gateway.fleet.credentials import CredentialFiles, UserCredentials, load_credentials
from gateway.fleet.documents import Presence
from gateway.fleet.subjects import inbox_prefix
from gateway.fleet_settings import FleetSettings
from gateway.office.chain_folder import OFFICE, ChainFolder
from gateway.office.command_responses import CommandResponses
from gateway.office.office import Office, connect_client
from gateway.office.plan import make_plan
from gateway.office.set_up import set_up
from gateway.simulator.ports import find_free_port
from tests.fleet.hosts import Hosts, LoneHost
from tests.waiting import until

NODES: Final = 3
ONCE_TIMEOUT_S: Final = 60
"""How long each step of one try to connect may take: who races a server on a busy machine learns nothing of it."""
SERVER: Final = Path(sys.executable).with_name("nats-server")


class Node:
    """One server, in the folder that was made for it."""

    def __init__(self, folder: Path, begin: Sequence[str] = ()) -> None:
        """Take the folder, and what begins a command on the server's host."""
        self.name = folder.name
        self.folder = folder
        self._begin = begin
        self.process: asyncio.subprocess.Process | None = None

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.process is not None and self.process.returncode is None

    async def start(self) -> None:
        """Start it; return when it listens, or has ended."""
        with (self.folder / "server.log").open("ab") as log:
            begin = log.tell()
            self.process = await asyncio.create_subprocess_exec(
                *(*self._begin, str(SERVER), "-c", "server.conf"), cwd=self.folder, stdout=log, stderr=log
            )
        await until(lambda: not self.is_running or b"Server is ready" in self._read_log(begin))

    def _read_log(self, begin: int) -> bytes:
        """Return what the server has logged since the log had so many bytes."""
        with (self.folder / "server.log").open("rb") as log:
            log.seek(begin)
            return log.read()

    def freeze(self) -> None:
        """Let it keep its connections and do nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


class HeadOffice:
    """The servers of a chain, with its streams and buckets, and shops that have joined."""

    def __init__(self, folder: Path, *shops: str, nodes: int = NODES, hosts: Hosts | None = None) -> None:
        added = [(hosts or LoneHost()).add(f"chain-{number + 1}") for number in range(nodes)]
        self.chain = make_chain(folder / "chain", nodes, [host.address for host in added])
        self.nodes = [
            Node(self.chain.server_folder(place.name), host.begin)
            for place, host in zip(self.chain.plan.places, added, strict=True)
        ]
        self.reported: list[str] = []
        """What servers and client library reported to `client`."""
        self._files = {shop: issue(self.chain, shop, folder) for shop in shops} | {OFFICE: self.chain.office_files}

    @property
    def servers(self) -> list[str]:
        return [*self.chain.plan.servers]

    def settings(self, shop: str, **changes: object) -> FleetSettings:
        """Return the settings of a shop."""
        values = {"servers": self.servers, "shop": shop} | self._files[shop]._asdict()
        return FleetSettings.model_validate(values | changes)

    def section(self, shop: str, **changes: object) -> str:
        """Return the section of a shop's settings file."""
        settings = self.settings(shop, **changes).model_dump(exclude_defaults=True)
        return "\n".join(["[fleet]", *(f"{key} = {json.dumps(value)}" for key, value in settings.items()), ""])

    async def start(self) -> None:
        """Start all nodes; return when they have a leader, the streams and the buckets."""
        for node in self.nodes:
            await node.start()
        async with self.connect() as office:
            await set_up(office)

    async def stop(self) -> None:
        for node in self.nodes:
            await node.kill()

    def connect(self) -> contextlib.AbstractAsyncContextManager[Office]:
        """Connect as the head office does."""
        return Office.connect(self.chain)

    @contextlib.asynccontextmanager
    async def client(self, name: str = OFFICE, files: CredentialFiles | None = None) -> AsyncIterator[Client]:
        """Connect as the head office, or as a shop, with the client library alone."""

        async def note_error(error: Exception) -> None:
            self.reported.append(str(error))

        client = await connect_client(
            random.sample(self.servers, len(self.servers)),
            load_credentials(files or self._files[name]),
            inbox_prefix="_INBOX" if name == OFFICE else inbox_prefix(name),
            ping_interval=5,  # finds soon that its server is frozen or cut off
            error_cb=note_error,
        )
        try:
            yield client
        finally:
            await client.close()

    async def connect_once(self, credentials: UserCredentials) -> None:
        """Connect without trying again; raise what the client library raises."""
        client = FleetClient()
        try:
            await client.connect(
                f"tls://{self.servers[0]}",
                tls=credentials.tls,
                tls_handshake_first=True,
                signature_cb=credentials.sign,
                user_jwt_cb=lambda: credentials.token,
                connect_timeout=ONCE_TIMEOUT_S,
                allow_reconnect=False,
                max_reconnect_attempts=0,
            )
        finally:
            await client.close()

    def sign_presence(self, shop: str, presence: Presence) -> bytes:
        """Return what a gateway says that is there and has the certificate of a shop."""
        sign = load_credentials(self._files[shop]).sign
        signature = sign(f"sunmi-gateway present {presence.instance}").decode()
        return presence.model_copy(update={"signature": signature}).model_dump_json().encode()

    async def read_events(self, shop: str) -> list[tuple[str, dict[str, Any]]]:
        """Return subject and content of each event of a shop, in the order of the stream."""
        subject = f"fleet.v1.{shop}.event.>"
        async with self.client() as client:
            jetstream = client.jetstream(timeout=60)
            info = await jetstream.stream_info("events", subjects_filter=subject)
            subscription = await jetstream.subscribe(subject, ordered_consumer=True)
            messages = [
                await subscription.next_msg(timeout=60) for _ in range(sum((info.state.subjects or {}).values()))
            ]
        for message in messages:
            assert (message.headers or {})["Nats-Msg-Id"] == f"{shop}/{json.loads(message.data)['id']}"
        return [(message.subject, json.loads(message.data)) for message in messages]

    async def command(
        self,
        shop: str,
        name: str,
        arguments: object = None,
        /,
        *,
        payload: bytes | None = None,
        wait_s: float = 5,
        **changes: Any,
    ) -> dict[str, Any]:
        """Give a command to a shop until it responds; `changes` are other members of the request.

        It is given again, over another connection, when there was no response for `wait_s`.
        """
        later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=800)
        request = {
            "id": secrets.token_hex(8),
            "deadline": later.isoformat(),
            "by": "anna",
            "arguments": arguments or {},
        }
        content = json.dumps(request | changes).encode() if payload is None else payload
        while True:
            async with self.client() as client, CommandResponses.open(client) as responses:
                with contextlib.suppress(TimeoutError):  # it has died meanwhile, or the server
                    return await _request(responses, shop, name, content, wait_s)

    async def read_state(self, shop: str) -> dict[str, Any]:
        """Return the state that a shop has reported, by its key; nothing if it has reported none.

        The leader is asked: other servers may lag behind what the shop knows to be stored.
        """
        async with self.client() as client:
            try:
                stored = await client.jetstream(timeout=60).get_msg("KV_reported", subject=f"$KV.reported.{shop}")
            except nats.js.errors.NotFoundError:
                return {}
        return dict(json.loads(stored.data or b"{}"))


async def _request(
    responses: CommandResponses, shop: str, command: str, content: bytes, wait_s: float
) -> dict[str, Any]:
    """Return the response to a command, which is given again while the shop is away."""
    while True:
        try:
            return dict(json.loads(await responses.request(shop, command, content, wait_s)))
        except nats.errors.NoRespondersError:
            await asyncio.sleep(0.05)


def make_chain(folder: Path, nodes: int = NODES, addresses: Sequence[str] = ("127.0.0.1",) * NODES) -> ChainFolder:
    """Make the folder of a chain whose servers are on loopback, or at other addresses."""
    free: set[int] = set()
    while len(free) < 2 * nodes + 1:  # the system may name a port twice
        free.add(find_free_port())
    join, *ports = free
    servers = [f"{address}:{ports.pop()}" for address in addresses[:nodes]]
    return ChainFolder.create(folder, make_plan(servers=servers, cluster_ports=ports, join=f"127.0.0.1:{join}"))


def issue(chain: ChainFolder, shop: str, folder: Path) -> CredentialFiles:
    """Make the key of a shop and what the chain gives it, in files of a folder."""
    key = Ed25519PrivateKey.generate()
    given = chain.issue_shop(shop, key.public_key())
    texts = {
        "ca.pem": given.ca,
        f"{shop}.pem": given.certificate,
        f"{shop}.key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        f"{shop}.jwt": given.user_jwt,
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return CredentialFiles(*(str(folder / name) for name in texts))
