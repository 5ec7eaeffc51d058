"""Scripted servers that say what a test tells them to; simulated cameras; a registry with clocks that a test sets."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.cameras.cameras import Cameras
from gateway.cameras.registry import CameraRecord, Registry
from gateway.cameras.table import CameraTable
from gateway.discovery.device import DiscoveredDevice, FoundBy
from gateway.discovery.discovery import Discovery
from gateway.runtime.clock import PeerClock
from gateway.runtime.supervisor import Supervisor
from gateway.settings import CameraSettings, DiscoverySettings
from gateway.simulator import certificates
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.discovery import DiscoveryResponder
from gateway.storage.database import Database
from tests.cameras.capture_bench import CaptureBench

Script = Callable[["Visit"], Awaitable[None]]


def json_answer(body: bytes, *headers: str) -> bytes:
    """Return an HTTP answer with a length."""
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass
class Visit:
    """One connection, as the script sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    requests: list[bytes]

    async def request(self) -> bytes:
        """Read one whole request and note it."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        whole = head + await self.reader.readexactly(length)
        self.requests.append(whole)
        return whole

    async def say(self, text: bytes) -> None:
        self.writer.write(text)
        await self.writer.drain()

    def reset(self) -> None:
        self.writer.transport.abort()


@dataclass
class ScriptedCamera:
    """Where the server listens, what it got, and how many connections were made to it."""

    host: str
    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    finished: int = 0
    """Connections whose handshake and script came to their end, the client having gone or the script being over."""


class Serve(Protocol):
    def __call__(
        self, script: Script, *, tls: ssl.SSLContext | None = None
    ) -> AbstractAsyncContextManager[ScriptedCamera]: ...


@dataclass(frozen=True)
class Identity:
    """A certificate with its key, in one PEM file."""

    file: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def sha256(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file)
        return context


def make_identity(directory: Path, name: str) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = directory / f"{name}.pem"
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    return Identity(file, certificate, key)


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    """Make the certificate that the scripted camera shows."""
    return make_identity(tmp_path_factory.mktemp("camera"), "ipc-https")


@pytest.fixture(scope="session")
def other_identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    """Make another certificate: of a client, or of somebody else."""
    return make_identity(tmp_path_factory.mktemp("other"), "somebody-else")


@pytest.fixture
def serve(identity: Identity) -> Serve:
    """Start a scripted camera on a free port of 127.0.0.1, for the length of an `async with`."""

    @asynccontextmanager
    async def start(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedCamera]:
        visits: set[asyncio.Task[None]] = set()

        async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            visits.add(task)
            camera.connections += 1
            try:
                await script(Visit(reader, writer, camera.requests))
            except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, asyncio.CancelledError):
                pass  # the client went away, or the test is over
            finally:
                camera.finished += 1
                visits.discard(task)
                writer.transport.abort()

        server = await asyncio.start_server(visit, "127.0.0.1", 0, ssl=tls or identity.server_context())
        camera = ScriptedCamera("127.0.0.1", server.sockets[0].getsockname()[1])
        try:
            yield camera
        finally:
            server.close()
            for task in list(visits):
                task.cancel()
            if visits:
                await asyncio.wait(visits)
            await server.wait_closed()

    return start


@pytest.fixture
def answer() -> Callable[..., bytes]:
    return json_answer


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait until something is so."""

    async def wait(is_so: Callable[[], bool]) -> None:
        while not is_so():
            await asyncio.sleep(0.005)

    return wait


APP_ID = "EF3OG8R5B32X0"
SECRET_KEY = "kdsofkdsnflke9382938k"
NUMBER = "8000000000000000000042"
CAMERA_SHA256 = (
    x509.load_pem_x509_certificate((Path(certificates.__file__).parent / "certificates" / "camera.pem").read_bytes())
    .fingerprint(hashes.SHA256())
    .hex()
)
"""The SHA-256 of the certificate that simulated cameras share."""


@dataclass
class Bench:
    """Simulated cameras, and the gateway's way of calling them, over a real database."""

    registry: Registry
    cameras: Cameras
    clock: PeerClock
    database: Database
    supervisor: Supervisor
    simulated: list[SimulatedCamera]
    responder: DiscoveryResponder
    discovery: Discovery
    folder: Path

    async def simulate(self, sn: str = "FS101D8BS00106", **options: Any) -> SimulatedCamera:
        """Start a camera; it belongs to, or may be activated by, the account that the gateway has."""
        camera = SimulatedCamera(
            **{
                "sn": sn,
                "model": "FM020",
                "mac": "04:12:24:E3:45:12",
                "app_id": APP_ID,
                "secret_key": SECRET_KEY,
                "activation_number": NUMBER,
                "wifi_passwords": {"SunmiStore": "plenty-of-coffee"},
                "host": f"127.24.0.{len(self.simulated) + 1}",
                **options,
            }
        )
        await camera.start()
        self.simulated.append(camera)
        self.responder.follow_devices()
        return camera

    def record_device(self, camera: SimulatedCamera, address: str = "") -> None:
        """Let discovery have seen a camera."""
        self.registry.record_device(
            DiscoveredDevice(
                address=address or camera.address,
                interface="lo",
                found_by="broadcast",
                sn=camera.sn,
                model=camera.state.model,
                hotspot=camera.state.hotspot,
            )
        )

    async def manage(self, camera: SimulatedCamera) -> SimulatedCamera:
        """Let a camera have been found and made managed, by a person who has seen its certificate."""
        self.record_device(camera)
        await self.registry.manage(camera.sn)
        await self.registry.pin(camera.sn, CAMERA_SHA256)
        return camera

    def calls(self, settings: CameraSettings | None = None, credentials: tuple[str, str] | None = None) -> Cameras:
        """Make another way of calling, over the same registry."""
        return Cameras(
            self.registry,
            settings=settings or CameraSettings(timeout_s=30),
            credentials=credentials if credentials is not None else (APP_ID, SECRET_KEY),
            cloud_clock=self.clock,
            identify=self.discovery.identify,
        )


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Start with no camera; everything is stopped at the end."""
    database = await Database.open(tmp_path / "gateway.db")
    supervisor = Supervisor(initial_delay_s=0.01)
    registry = Registry(CameraTable(database), supervisor)
    await registry.load()
    clock = PeerClock()
    simulated: list[SimulatedCamera] = []
    responder = DiscoveryResponder(simulated, port=0, bind_address="127.255.255.255")
    await responder.start()
    discovery = Discovery(
        DiscoverySettings(interfaces=["lo"], broadcast_port=responder.port),
        supervisor,
        camera_port=443,
        on_device=registry.record_device,
    )
    cameras = Cameras(
        registry,
        settings=CameraSettings(timeout_s=30),
        credentials=(APP_ID, SECRET_KEY),
        cloud_clock=clock,
        identify=discovery.identify,
    )
    bench = Bench(registry, cameras, clock, database, supervisor, simulated, responder, discovery, tmp_path)
    try:
        yield bench
    finally:
        await cameras.close()
        await responder.stop()
        for camera in bench.simulated:
            await camera.stop()
        await registry.close()
        await supervisor.close()
        await database.close()


@pytest.fixture
async def capturing(bench: Bench) -> AsyncIterator[CaptureBench]:
    """Capture the cameras of the bench."""
    capturing = CaptureBench(bench)
    yield capturing
    await capturing.discovery.close()


SS, FS, OTHER = "SS101D8BS00087", "FS101D8BS00106", "SS101D8BS00099"
ETHERNET, WIFI, HOTSPOT = "10.0.0.7:443", "10.0.0.8:443", "192.168.200.1:443"
PIN, OTHER_PIN = "ab" * 32, "cd" * 32
START = 1_763_766_878

Reload = Callable[[], Awaitable[Registry]]
Changes = list[tuple[str, str]]


class Clocks:
    """The two clocks of a registry, moved by the test."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.jumped = 0.0

    def unix(self) -> float:
        return START + self.passed + self.jumped

    def monotonic(self) -> float:
        return 500 + self.passed


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
async def registry(database: Database, clocks: Clocks) -> AsyncIterator[Registry]:
    made = Registry(CameraTable(database), Supervisor(), now=clocks.unix, monotonic=clocks.monotonic, interval_s=60)
    await made.load()
    yield made
    await made.close()


@pytest.fixture
def changes(registry: Registry) -> Changes:
    """Collect the changes of the registry."""
    collected: Changes = []
    registry.subscribe(lambda change, camera: collected.append((change, camera.sn)))
    return collected


@pytest.fixture
def stored(database: Database, registry: Registry) -> Reload:
    """Load what is stored into another registry."""

    async def load() -> Registry:
        await registry.flush()
        again = Registry(CameraTable(database), Supervisor())
        await again.load()
        await again.close()
        return again

    return load


def discovered(sn: str, address: str, found_by: FoundBy = "broadcast", **claims: object) -> DiscoveredDevice:
    values: dict[str, object] = {"interface": "eth0", "mac": "0C:25:76:AA:BB:CC", "model": "FM010", **claims}
    return DiscoveredDevice(sn=sn, address=address, found_by=found_by, **values)  # type: ignore[arg-type]


def discover(
    registry: Registry, sn: str, address: str, found_by: FoundBy = "broadcast", **claims: object
) -> CameraRecord:
    camera = registry.record_device(discovered(sn, address, found_by, **claims))
    assert camera is not None
    return camera
