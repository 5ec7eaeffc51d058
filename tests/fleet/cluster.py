"""A head office: three NATS servers on loopback, as a chain would run them."""

import asyncio
import contextlib
import datetime
import ipaddress
import json
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import nats.errors
import nats.js.errors
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, KeyValueConfig, StreamConfig

from gateway.fleet_settings import FleetSettings
from gateway.simulator.ports import find_free_port

NODES: Final = 3
SERVER: Final = Path(sys.executable).with_name("nats-server")
LONG_AGO: Final = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
LONG_AFTER: Final = datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC)
OFFICE: Final = "office"


class ChainAuthority:
    """The certificate authority of a chain, with its certificates in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca_file = folder / "ca.pem"
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = _name("chain")
        self._certificate = (
            _begin(name, name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.ca_file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> tuple[str, str]:
        """Issue a certificate for a shop or a server of that name; return the files of certificate and key."""
        certificate, private_key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        key = ec.generate_private_key(ec.SECP256R1())
        loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        signed = (
            _begin(_name(name), self._certificate.subject, key.public_key())
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name), loopback]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        private_key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return str(certificate), str(private_key)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _begin(name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key)
    return builder.serial_number(x509.random_serial_number()).not_valid_before(LONG_AGO).not_valid_after(LONG_AFTER)


class Node:
    """One server."""

    def __init__(self, number: int, folder: Path) -> None:
        self.name = f"node-{number}"
        self.folder = folder / self.name
        self.folder.mkdir()
        self.port = find_free_port()
        self.route = find_free_port()
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with (self.folder / "server.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                str(SERVER), "-c", str(self.folder / "server.conf"), stdout=log, stderr=log
            )

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
    """A cluster of three nodes with the stream and the bucket of a chain, and permissions for each shop."""

    def __init__(self, folder: Path, *shops: str) -> None:
        self.shops = shops
        self.authority = ChainAuthority(folder)
        self.nodes = [Node(number, folder) for number in range(NODES)]
        for node in self.nodes:
            (node.folder / "server.conf").write_text(self._configure(node))
        self._certificates = {name: self.authority.issue(name) for name in (*shops, OFFICE)}

    @property
    def servers(self) -> list[str]:
        return [f"127.0.0.1:{node.port}" for node in self.nodes]

    def settings(self, shop: str, **changes: object) -> FleetSettings:
        """Return the settings of a shop."""
        certificate, private_key = self._certificates[shop]
        values = {
            "servers": self.servers,
            "shop": shop,
            "ca_file": str(self.authority.ca_file),
            "certificate": certificate,
            "private_key": private_key,
        }
        return FleetSettings.model_validate(values | changes)

    async def start(self) -> None:
        """Start all nodes; return when they have a leader, the stream and the bucket."""
        for node in self.nodes:
            await node.start()
        async with self.client() as client:
            jetstream = client.jetstream(timeout=5)
            while True:
                with contextlib.suppress(nats.errors.Error):
                    await self.make_streams(jetstream)
                    return
                await asyncio.sleep(0.1)

    async def make_streams(self, jetstream: JetStreamContext) -> None:
        stream = StreamConfig(
            name="events",
            subjects=["fleet.v1.*.event.>"],
            num_replicas=NODES,
            duplicate_window=3600,
            discard=DiscardPolicy.NEW,
            allow_direct=True,
        )
        await jetstream.add_stream(stream)
        await jetstream.create_key_value(KeyValueConfig(bucket="reported", replicas=NODES, direct=True))

    async def stop(self) -> None:
        for node in self.nodes:
            await node.kill()

    @contextlib.asynccontextmanager
    async def client(self, name: str = OFFICE) -> AsyncIterator[Client]:
        """Connect as the head office, or as a shop, with the client library alone."""
        certificate, private_key = self._certificates[name]
        tls = ssl.create_default_context(cafile=str(self.authority.ca_file))
        tls.load_cert_chain(certificate, private_key)
        client = Client()
        servers = [f"tls://{server}" for server in self.servers]
        prefix = "_INBOX" if name == OFFICE else f"_INBOX_{name}"
        await client.connect(
            servers,
            tls=tls,
            tls_handshake_first=True,
            inbox_prefix=prefix,
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            error_cb=_ignore,
        )
        try:
            yield client
        finally:
            await client.close()

    async def read_events(self, shop: str) -> list[tuple[str, dict[str, Any]]]:
        """Return subject and content of each event of a shop, in the order of the stream."""
        subject = f"fleet.v1.{shop}.event.>"
        async with self.client() as client:
            jetstream = client.jetstream(timeout=5)
            info = await jetstream.stream_info("events", subjects_filter=subject)
            subscription = await jetstream.subscribe(subject, ordered_consumer=True)
            messages = [
                await subscription.next_msg(timeout=5) for _ in range(sum((info.state.subjects or {}).values()))
            ]
        for message in messages:
            assert (message.headers or {})["Nats-Msg-Id"] == f"{shop}/{json.loads(message.data)['id']}"
        return [(message.subject, json.loads(message.data)) for message in messages]

    async def read_state(self, shop: str) -> dict[str, Any]:
        """Return the state that a shop has reported; nothing if it has reported none."""
        async with self.client() as client:
            bucket = await client.jetstream(timeout=5).key_value("reported")
            try:
                entry = await bucket.get(shop)
            except nats.js.errors.KeyNotFoundError:
                return {}
        return dict(json.loads(entry.value or b"{}"))

    def _configure(self, node: Node) -> str:
        certificate, private_key = self.authority.issue(node.name)
        routes = [f"nats://127.0.0.1:{other.route}" for other in self.nodes if other is not node]
        tls = {"cert_file": certificate, "key_file": private_key, "ca_file": str(self.authority.ca_file)}
        shops = [{"user": f"CN={shop}", "permissions": _allow(shop)} for shop in self.shops]
        # A server's configuration is a superset of JSON.
        return json.dumps(
            {
                "server_name": node.name,
                "listen": f"127.0.0.1:{node.port}",
                "cluster": {
                    "name": "chain",
                    "listen": f"127.0.0.1:{node.route}",
                    "routes": routes,
                    "tls": tls | {"verify": True},
                },
                "jetstream": {"store_dir": str(node.folder / "jetstream"), "sync_interval": "always"},
                "tls": tls | {"verify_and_map": True, "handshake_first": True},
                "authorization": {"users": [{"user": f"CN={OFFICE}"}, *shops]},
            },
            indent=1,
        )


def _allow(shop: str) -> dict[str, list[str]]:
    """Return what a shop may do: send its own events and its own state, and ask what the stream has of it."""
    own = f"fleet.v1.{shop}.event.>"
    return {
        "publish": [own, f"$KV.reported.{shop}", f"$JS.API.DIRECT.GET.events.{own}"],
        "subscribe": [f"_INBOX_{shop}.>"],
    }


async def _ignore(_: Exception) -> None:
    pass
